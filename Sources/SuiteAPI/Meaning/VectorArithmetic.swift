/// What is done with embeddings.
extension [Float] {
    /// The sum of the products.
    public func dot(_ other: [Float]) -> Float {
        var sum: Float = 0
        for index in 0..<Swift.min(count, other.count) { sum += self[index] * other[index] }
        return sum
    }

    /// The same direction at length 1; what has no length stays as it is.
    public var scaledToOne: [Float] {
        let length = dot(self).squareRoot()
        return length > 0 ? map { $0 / length } : self
    }

    public static func mean(_ vectors: [[Float]]) -> [Float] {
        guard var sum = vectors.first else { return [] }
        for vector in vectors.dropFirst() { for index in sum.indices { sum[index] += vector[index] } }
        return sum.map { $0 / Float(vectors.count) }
    }
}
