import Foundation
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI

extension Checklist {
    /// What memory is trusted for: that it agrees with itself, and that it keeps what is one user's from another. Phase 4.
    static func memory(_ settings: Settings) -> [Check] {
        let memory = settings.baseURL(of: .memoryAPI)
        return [
            Check(
                "C09", .configuration, "Memory agrees with itself",
                threshold: "conversations, index of words and vectors of every project agree",
                command: "maru memory check", limit: .seconds(180), asksService: true, run: memoryAgreement),
            Check(
                "C10", .configuration, "Memory of others", threshold: "one user's words reach no other user, by any way",
                command: "\(settings.curl) \(memory)/v1/memory/projects/somebody-else/conversations", limit: .seconds(60),
                asksService: true,
                run: leakProbe),
        ]
    }

    /// F13: a service that listens nowhere lives by its heartbeat, and does its work by its record.
    static func maintainer(_ settings: Settings) -> Check {
        Check(
            "F13", .stack, "Upkeep of memory", threshold: "heartbeat younger than \(Int(3 * Heartbeat.interval.seconds)) s, no job failing",
            command: "cat \(Heartbeat.file(of: .memoryMaintainer, in: settings.dataFolders)); maru memory status", limit: .seconds(30),
            asksService: true, waitsForStart: true
        ) { context in
            let folders = context.settings.dataFolders
            let start = ContinuousClock.now
            var beat = try await offPool { Heartbeat.last(of: .memoryMaintainer, in: folders) }
            while beat?.isFresh() != true, start.duration(to: .now) < context.patience {
                try await Task.sleep(for: .milliseconds(500))
                beat = try await offPool { Heartbeat.last(of: .memoryMaintainer, in: folders) }
            }
            guard let beat else {
                return Finding(
                    .fail, reason: "memory-maintainer never showed a heartbeat. Start it with: maru up; see: maru logs memory-maintainer")
            }
            let age = "heartbeat \(Int(beat.age())) s old"
            guard beat.isFresh() else {
                return Finding(
                    .fail, value: age, reason: "memory-maintainer has stopped. Start it with: maru up; see: maru logs memory-maintainer")
            }
            let record = try await context.clients.memory.maintenance()
            let jobs = record["jobs"]?.objectValue ?? [:]
            let evidence = text(record)
            let failing = jobs.filter { ($0.value["failures"]?.intValue ?? 0) > 0 }.sorted { $0.key < $1.key }
            guard failing.isEmpty else {
                let told = failing.map { "\($0.key): \($0.value["detail"]?.stringValue ?? "?")" }.joined(separator: "; ")
                return Finding(.fail, value: age, reason: "failing: \(told)", evidence: evidence)
            }
            guard !jobs.isEmpty else { return Finding(.inconclusive, value: age, reason: "no job has run yet", evidence: evidence) }
            return Finding(.pass, value: "\(age), \(jobs.count) jobs done", evidence: evidence)
        }
    }

    /// S32: backups of every memory, each compared as it is made, and one put back for real.
    static func memoryBackup(_ settings: Settings) -> Check {
        Check(
            "S32", .function, "Memory backup", threshold: "made of every project and compared; one restored with all conversations",
            command: "maru memory backup && maru memory restore", limit: .seconds(600), asksService: true
        ) { context in
            let memory = context.clients.memory
            var lines: [String] = []
            for project in try await memory.projects() where project.project_id != probe {
                if let error = project.error {
                    return Finding(.fail, reason: "the memory of \(project.project_id) cannot be opened: \(error)")
                }
                let made = try await memory.backUp(project.project_id)
                lines.append("\(project.project_id): \(made.message) (\(made.backups.map(\.name).joined(separator: ", ")))")
            }
            let kept = try await restoreDrill(memory)
            lines.append("drill: \(kept.note)")
            guard kept.isWhole else {
                return Finding(.fail, value: "\(lines.count - 1) backed up", reason: kept.note, evidence: lines.joined(separator: "\n"))
            }
            return Finding(
                .pass, value: "\(lines.count - 1) projects backed up and compared, 1 restored", evidence: lines.joined(separator: "\n"))
        }
    }

    /// The project that checks use; it is gone once they are done.
    private static let probe = "maru-verify"

    /// Saves, backs up, deletes, restores, counts.
    private static func restoreDrill(_ memory: MemoryClient) async throws -> (isWhole: Bool, note: String) {
        try? await memory.forget(probe)
        let ids = try await (1...3).asyncMap { number in
            try await memory.save(
                SaveConversationRequest(
                    user_query: "Verification \(number)", ai_response: "Number \(number) of three.", project_id: probe, importance_score: 7)
            ).conversation_id
        }
        var notes: [String] = []
        for kind in ["db", "json", "sql"] {
            let made = try await memory.backUp(probe, kind: kind)
            guard let file = made.backups.first else { return (false, "no \(kind) backup was made") }
            for id in ids { try? await memory.delete(id, of: probe) }
            let emptied = try await memory.list(probe, limit: 10, offset: 0)["total"]?.intValue
            let restored = try await memory.restore(probe, from: file.name)
            let found = try await memory.search(
                SearchConversationsRequest(query: "verification", use_vector_search: false, project_id: probe))
            guard emptied == 0, restored.conversations == 3,
                Set(found.results.compactMap { $0["id"]?.intValue.map(Int64.init) }) == Set(ids)
            else {
                return (false, "of \(file.name) \(restored.conversations) of 3 conversations came back, \(found.results.count) are found")
            }
            notes.append("3 of 3 conversations came back from \(file.name)")
        }
        try await memory.forget(probe)
        return (true, notes.joined(separator: "; "))
    }

    private static func memoryAgreement(_ context: CheckContext) async throws -> Finding {
        let memory = context.clients.memory
        // There is always something to judge.
        try? await memory.forget(probe)
        let saved = try await memory.save(
            SaveConversationRequest(
                user_query: "Verification", ai_response: "That memory agrees with itself.", project_id: probe, importance_score: 7))
        _ = try await memory.sync(probe)
        let projects = try await memory.projects()
        var problems: [String] = []
        var lines: [String] = []
        for project in projects {
            if let error = project.error {
                problems.append("\(project.project_id): cannot be opened: \(error)")
                continue
            }
            let found = try await memory.check(project.project_id)
            problems += found.map { "\(project.project_id): \($0)" }
            lines.append(
                "\(project.project_id): \(project.total_conversations ?? 0) conversations, \(found.isEmpty ? "agrees" : found.joined(separator: "; "))"
            )
        }
        let queue = try await memory.queue(probe)["queue_size"]?.intValue
        let isThere = try await memory.conversation(saved.conversation_id, of: probe)["conversation"] != nil
        try await memory.forget(probe)
        if queue != 0 || !isThere { problems.append("what was saved a moment ago has not reached the vector store") }
        let value = "\(projects.count - 1) projects and one of the check's own"
        guard problems.isEmpty else {
            return Finding(
                .fail, value: value, reason: problems.prefix(3).joined(separator: "; "),
                evidence: (lines + problems).joined(separator: "\n"))
        }
        return Finding(.pass, value: value, evidence: lines.joined(separator: "\n"))
    }

    /// C10: a word that one user saves must not come back to another, who asks for it in every way there is. Two users are made for it, and are
    /// gone afterwards.
    private static func leakProbe(_ context: CheckContext) async throws -> Finding {
        let owner = try await TemporaryUser(context, "maru-verify-owner")
        let stranger = try await TemporaryUser(context, "maru-verify-stranger")
        let canary = "canary\(UUID().uuidString.prefix(8).lowercased())"
        do {
            let finding = try await probe(context, owner, stranger, canary)
            try await owner.remove(context)
            try await stranger.remove(context)
            return finding
        } catch {
            try? await owner.remove(context)
            try? await stranger.remove(context)
            throw error
        }
    }

    private static func probe(_ context: CheckContext, _ owner: TemporaryUser, _ stranger: TemporaryUser, _ canary: String) async throws
        -> Finding
    {
        let base = context.settings.baseURL(of: .memoryAPI)
        let project = "user-\(owner.id)"
        func ask(_ user: TemporaryUser, _ method: HTTPMethod, _ path: String, _ body: String? = nil, at base: String) async throws -> Probed
        {
            try await Probed(context, method, path, base: base, headers: ["Authorization": "Bearer \(user.key)"], body: body)
        }
        let saved = try await ask(
            owner, .POST, "/v1/memory/conversations",
            #"{"user_query":"the secret word is \#(canary)","ai_response":"kept","importance_score":6}"#,
            at: base)
        let found = try await ask(owner, .POST, "/v1/memory/conversations/search", #"{"query":"\#(canary)"}"#, at: base)
        guard saved.status == 200, found.body.contains(canary) else {
            return Finding(
                .inconclusive, reason: "the owner himself does not find what he saved, so nothing is proved", evidence: "\(saved)\n\(found)"
            )
        }
        let query = #"{"query":"\#(canary)","project_id":"\#(project)"}"#
        let vectors = context.settings.baseURL(of: .qdrant)
        let tries: [(String, Probed)] = [
            ("search in his project", try await ask(stranger, .POST, "/v1/memory/conversations/search", query, at: base)),
            ("search in mine", try await ask(stranger, .POST, "/v1/memory/conversations/search", #"{"query":"\#(canary)"}"#, at: base)),
            ("recall", try await ask(stranger, .POST, "/v1/memory/recall", query, at: base)),
            (
                "recall in his name",
                try await ask(stranger, .POST, "/v1/memory/recall", #"{"query":"\#(canary)","user_id":"\#(owner.id)"}"#, at: base)
            ),
            ("list", try await ask(stranger, .GET, "/v1/memory/projects/\(project)/conversations", at: base)),
            ("export", try await ask(stranger, .GET, "/v1/memory/projects/\(project)/export", at: base)),
            ("projects", try await ask(stranger, .GET, "/v1/memory/projects", at: base)),
        ]
        // In development mode developers may be anybody on this machine, so the vector store is theirs too.
        let store: [(String, Probed)] =
            context.settings[SettingKeys.securityMode] == .development || !context.settings[SettingKeys.qdrantURL].isEmpty
            ? []
            : [
                (
                    "the vector store",
                    try await ask(
                        stranger, .POST, "/collections/memory_\(project)/points/scroll", #"{"with_payload":true,"limit":10}"#, at: vectors)
                )
            ]
        // The canary itself stands in answers that repeat the question; what gives it away is what it was saved in.
        let leaks = (tries + store).filter {
            $0.1.body.contains("secret word is \(canary)") || $0.1.status < 300 && $0.1.body.contains("\"\(project)\"")
        }
        let evidence = (tries + store).map { "\($0.0): \($0.1)" }.joined(separator: "\n")
        try await context.clients.memory.forget(project)
        guard leaks.isEmpty else {
            return Finding(
                .fail, value: "\(leaks.count) of \(tries.count + store.count) ways leak", reason: leaks.map(\.0).joined(separator: ", "),
                evidence: evidence)
        }
        return Finding(.pass, value: "\(tries.count + store.count) ways tried", evidence: evidence)
    }
}

/// A user who exists for a check alone, with a key of his own.
private struct TemporaryUser {
    let id: String
    let key: String

    init(_ context: CheckContext, _ id: String) async throws {
        // One that an interrupted run left is in the way.
        _ = try? await context.administration.bytes(.DELETE, "/security/users/\(id)")
        let _: JSONValue = try await context.administration.send(
            .POST, "/security/users", body: ["user_id": id, "role": "developer"])
        let made: JSONValue = try await context.administration.send(.POST, "/security/keys", body: ["user_id": id, "name": "verify"])
        guard let key = made["key"]?["key"]?.stringValue else {
            throw UpstreamError(service: ServiceID.mcpServer.rawValue, status: 200, message: "it made a key and did not tell it")
        }
        (self.id, self.key) = (id, key)
    }

    func remove(_ context: CheckContext) async throws { _ = try await context.administration.bytes(.DELETE, "/security/users/\(id)") }
}

extension Sequence {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
