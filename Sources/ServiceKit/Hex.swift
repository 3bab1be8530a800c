extension Sequence where Element == UInt8 {
    /// The bytes in lower-case hex, two digits each: how digests and ids are written.
    public var hex: String { map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
