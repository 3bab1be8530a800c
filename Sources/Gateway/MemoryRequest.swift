import HTTPTypes
import ServiceKit
import SuiteAPI

/// What a chat asks of memory, by its headers or by the setting of its key.
struct MemoryRequest: Sendable {
    /// The caller and nobody else: no header says whose memory it is.
    let user: String
    /// `nil`: the caller's own.
    let project: String?
    let session: String?
    /// Whether the turn may be kept. As at memory-api itself, that takes a developer; a guest may recall.
    let mayKeep: Bool

    /// - Returns: `nil` when memory is not asked for.
    /// - Throws: 400 naming the header that is not understood.
    init?(_ headers: HTTPFields, _ caller: Caller) throws {
        switch headers[.xMemory]?.lowercased() {
        case "on": break
        case "off": return nil
        case nil: guard caller.usesMemory else { return nil }
        case .some:
            throw ServiceError.badRequest(
                "The header “X-Memory” is “on” or “off”, not “\((headers[.xMemory] ?? "").prefix(100))”.", code: "invalid_header",
                parameter: ChatMemoryHeaders.memory)
        }
        user = caller.id
        project = try Self.word(headers[.xMemoryProject], ChatMemoryHeaders.project, maxBytes: 69)
        session = try Self.word(headers[.xMemorySession], ChatMemoryHeaders.session, maxBytes: 256)
        mayKeep = caller.role.map { $0 >= .developer } ?? false
    }

    private static func word(_ text: String?, _ name: String, maxBytes: Int) throws -> String? {
        guard let text else { return nil }
        guard (1...maxBytes).contains(text.utf8.count), !text.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw ServiceError.badRequest(
                "The header “\(name)” has 1 to \(maxBytes) bytes without control characters.", code: "invalid_header", parameter: name)
        }
        return text
    }
}

extension HTTPField.Name {
    static let xMemory = known(ChatMemoryHeaders.memory)
    static let xMemoryProject = known(ChatMemoryHeaders.project)
    static let xMemorySession = known(ChatMemoryHeaders.session)
    static let xMemoryUsed = known(ChatMemoryHeaders.used)

    private static func known(_ name: String) -> Self {
        guard let field = Self(name) else { preconditionFailure("\(name) is no header name") }
        return field
    }
}
