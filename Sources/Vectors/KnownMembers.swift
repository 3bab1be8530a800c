import HTTPTypes
import ServiceKit

extension Decoder {
    /// Refuses a body with members besides the known ones. A member that is passed over would be answered wrong: an order that is not
    /// kept, a condition that is not looked at.
    ///
    /// - Throws: 501 naming the first.
    func refuseMembers(besides known: Set<String>, of what: String) throws {
        let container = try container(keyedBy: AnyKey.self)
        for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) where !known.contains(key.stringValue) {
            guard try !container.decodeNil(forKey: key) else { continue }
            throw ServiceError(
                .notImplemented, code: "not_supported", "This store does not support “\(key.stringValue.prefix(60))” in \(what).",
                parameter: key.stringValue)
        }
    }
}

/// A coding key that takes any name.
struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(_ name: String) { stringValue = name }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
