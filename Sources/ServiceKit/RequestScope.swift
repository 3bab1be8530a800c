import Foundation

/// What a request carries along wherever it leads: in log lines, and in the headers of calls to other services.
public struct RequestScope: Sendable {
    /// The id a person quotes; taken from `X-Request-ID` or made here.
    public let requestID: String
    /// W3C Trace Context.
    public let trace: TraceParent
    /// When the request came in.
    public let begun: ContinuousClock.Instant

    public init(requestID: String, trace: TraceParent, begun: ContinuousClock.Instant = .now) {
        self.requestID = requestID
        self.trace = trace
        self.begun = begun
    }

    /// The scope of the request that the current task works for.
    @TaskLocal public static var current: RequestScope?

    /// An id as this suite makes them: 128 random bits in hex.
    public static func makeID() -> String { TraceParent.hex(words: 2) }

    /// An incoming id, if it is one that can stand in logs and headers: 1 to 128 printable ASCII characters without spaces.
    public static func acceptable(_ id: String?) -> String? {
        guard let id, (1...128).contains(id.utf8.count), id.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        return id
    }
}

/// The `traceparent` header of W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/).
public struct TraceParent: Sendable, Equatable, CustomStringConvertible {
    public let traceID: String
    public let parentID: String
    public let flags: String

    /// A new trace.
    public init() {
        traceID = Self.hex(words: 2)
        parentID = Self.hex(words: 1)
        flags = "01"
    }

    /// Reads a header; `nil` when it breaks the specification, and a new trace has to begin.
    public init?(header: String?) {
        guard let parts = header?.split(separator: "-", omittingEmptySubsequences: false), parts.count >= 4 else { return nil }
        let lowerHex: (Substring) -> Bool = { part in part.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) } }
        guard parts[0].count == 2, parts[0] != "ff", parts[0] != "00" || parts.count == 4, parts[1].count == 32, parts[2].count == 16,
            parts[3].count == 2, parts[0...3].allSatisfy(lowerHex), parts[1].contains(where: { $0 != "0" }),
            parts[2].contains(where: { $0 != "0" })
        else { return nil }
        traceID = String(parts[1])
        parentID = String(parts[2])
        flags = String(parts[3])
    }

    private init(traceID: String, flags: String) {
        self.traceID = traceID
        self.flags = flags
        parentID = Self.hex(words: 1)
    }

    /// The header for a call made on behalf of this one: same trace, new parent.
    public var child: TraceParent { TraceParent(traceID: traceID, flags: flags) }

    public var description: String { "00-\(traceID)-\(parentID)-\(flags)" }

    /// So many times 64 random bits.
    static func hex(words: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return (0..<words).flatMap { _ in withUnsafeBytes(of: generator.next(), Array.init) }.hex
    }
}
