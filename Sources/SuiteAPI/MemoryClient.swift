import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite

/// Asks the memory service.
public struct MemoryClient: Sendable {
    private let client: ServiceClient
    /// For work that reads or writes a whole memory.
    private let patient: ServiceClient

    public init(_ client: ServiceClient) {
        self.client = client
        patient = client.with(timeout: .seconds(3_600))
    }

    // MARK: Conversations

    public func save(_ request: SaveConversationRequest) async throws -> SaveConversationResponse {
        try await client.send(.POST, "/v1/memory/conversations", body: request)
    }

    public func search(_ request: SearchConversationsRequest) async throws -> SearchConversationsResponse {
        try await client.send(.POST, "/v1/memory/conversations/search", body: request)
    }

    /// What memory has to say to a question, ready to be put before a model.
    public func recall(_ request: RecallRequest) async throws -> RecallResponse {
        try await client.send(.POST, "/v1/memory/recall", body: request)
    }

    public func list(_ project: String, limit: Int, offset: Int) async throws -> JSONValue {
        try await client.send(.GET, path(project, "conversations?limit=\(limit)&offset=\(offset)"))
    }

    public func conversation(_ id: Int64, of project: String) async throws -> JSONValue {
        try await client.send(.GET, path(project, "conversations/\(id)"))
    }

    public func edit(_ id: Int64, of project: String, _ change: EditConversationRequest) async throws -> JSONValue {
        try await client.send(.PATCH, path(project, "conversations/\(id)"), body: change)
    }

    public func delete(_ id: Int64, of project: String) async throws {
        _ = try await client.bytes(.DELETE, path(project, "conversations/\(id)"))
    }

    // MARK: Projects

    public func projects() async throws -> [MemoryProject] {
        struct Answer: Decodable { let projects: [MemoryProject] }
        let answer: Answer = try await client.send(.GET, "/v1/memory/projects")
        return answer.projects
    }

    public func stats(_ project: String) async throws -> JSONValue { try await client.send(.GET, path(project, "stats")) }

    /// Forgets a whole project.
    public func forget(_ project: String) async throws {
        _ = try await patient.bytes(.DELETE, "/v1/memory/projects/\(Self.escaped(project))")
    }

    // MARK: Upkeep

    /// Removes what is past its time.
    ///
    /// - Returns: how many conversations went.
    public func removeExpired(_ project: String) async throws -> Int {
        struct Answer: Decodable { let deleted_conversations: Int }
        let answer: Answer = try await patient.send(.POST, path(project, "cleanup"))
        return answer.deleted_conversations
    }

    /// Brings the vector store in step.
    ///
    /// - Parameter anew: whether what it holds is thrown away and written once more.
    public func sync(_ project: String, anew: Bool = false) async throws -> MemorySyncStats {
        struct Answer: Decodable { let sync_stats: MemorySyncStats }
        let answer: Answer = try await patient.send(.POST, path(project, "sync"), body: ["anew": anew])
        return answer.sync_stats
    }

    public func retrySync(_ project: String) async throws -> JSONValue { try await patient.send(.POST, path(project, "sync/retry")) }

    public func queue(_ project: String) async throws -> JSONValue { try await client.send(.GET, path(project, "sync/queue")) }

    /// Makes backups and compares each with what it was made of.
    ///
    /// - Parameter kind: `db`, `json`, `sql` or `all`; `nil` as `db`.
    public func backUp(_ project: String, kind: String? = nil) async throws -> MemoryBackupResponse {
        try await patient.send(.POST, path(project, "backup"), body: kind.map { ["backup_type": $0] })
    }

    public func backups(_ project: String) async throws -> [MemoryBackupFile] {
        struct Answer: Decodable { let backups: [MemoryBackupFile] }
        let answer: Answer = try await client.send(.GET, path(project, "backups"))
        return answer.backups
    }

    /// Puts a backup in the place of what is remembered now, which is backed up before.
    public func restore(_ project: String, from backup: String) async throws -> MemoryRestoreResponse {
        try await patient.send(.POST, path(project, "restore"), body: ["backup": backup])
    }

    public func optimize(_ project: String) async throws { _ = try await patient.bytes(.POST, path(project, "optimize")) }

    public func rebuildIndex(_ project: String) async throws { _ = try await patient.bytes(.POST, path(project, "fts/rebuild")) }

    /// Whether conversations, index and vectors agree.
    ///
    /// - Returns: what does not.
    public func check(_ project: String) async throws -> [String] {
        struct Answer: Decodable { let problems: [String] }
        let answer: Answer = try await patient.send(.GET, path(project, "check"))
        return answer.problems
    }

    /// Looks conversations through for facts and preferences, and sums up days that are over.
    public func digest(_ project: String) async throws -> MemoryDigestStats {
        struct Answer: Decodable { let digest_stats: MemoryDigestStats }
        let answer: Answer = try await patient.send(.POST, path(project, "digest"))
        return answer.digest_stats
    }

    /// Everything that a project remembers, as one JSON document.
    public func export(_ project: String) async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let response = try await patient.stream(.GET, path(project, "export"))
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    for try await part in response.body { continuation.yield(Array(part.readableBytesView)) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Takes in what ``export(_:)`` gave; what is there already is passed over.
    public func importing(_ document: JSONValue, into project: String) async throws -> MemoryImportResponse {
        try await patient.send(.POST, path(project, "import"), body: document)
    }

    /// Facts, preferences or summaries.
    public func knowledge(_ kind: String, of project: String) async throws -> JSONValue { try await client.send(.GET, path(project, kind)) }

    /// When upkeep ran last, and what came of it.
    public func maintenance() async throws -> JSONValue { try await client.send(.GET, "/v1/memory/maintenance") }

    private func path(_ project: String, _ rest: String) -> String { "/v1/memory/projects/\(Self.escaped(project))/\(rest)" }

    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed.subtracting(CharacterSet(charactersIn: "/"))) ?? text
    }
}

extension SuiteClients {
    public var memory: MemoryClient { MemoryClient(client(.memoryAPI)) }
}
