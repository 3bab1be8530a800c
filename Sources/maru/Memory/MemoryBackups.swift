import ArgumentParser
import Foundation
import ServiceKit
import SuiteAPI

/// `maru memory backup`.
struct MemoryBackupCommand: AsyncParsableCommand {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case db, json, sql, all }

    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Make a backup, put it back into a scratch place, and compare.",
        discussion: "Of every memory, or of the one that --project names.")
    @Option(help: "db, json, sql or all.") var type = Kind.db
    @Option(help: "The project; all without it.") var project: String?
    @Flag(help: "Print the answer as JSON.") var json = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let client = try await Session(given).clients.memory
        let made = try await reachable {
            var made: [MemoryBackupResponse] = []
            let ids = if let project { [project] } else { try await client.projects().map(\.project_id) }
            for id in ids { made.append(try await client.backUp(id, kind: type.rawValue)) }
            return made
        }
        if json { return print(String(decoding: try JSONEncoder.sorted.encode(made), as: UTF8.self)) }
        guard !made.isEmpty else { return print("Nothing was saved yet.") }
        for one in made {
            print("\(one.project_id): \(one.message)")
            for file in one.backups { print("  \(file.name)  \(file.bytes.formatted(.byteCount(style: .file)))") }
            for warning in one.warnings { print("  note: \(warning)") }
        }
    }
}

/// `maru memory backups`.
struct MemoryBackups: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "backups", abstract: "The backups there are, newest first.")
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let files = try await options.asking { try await $0.backups($1) }
        try options.show(files) {
            guard !files.isEmpty else { return "There are none." }
            return Table(["BACKUP", "KIND", "MADE (UTC)", "SIZE"]).rows(
                files.map { [$0.name, $0.kind, String($0.created_at.prefix(19)), $0.bytes.formatted(.byteCount(style: .file))] })
        }
    }
}

/// `maru memory restore`.
struct MemoryRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Put a backup in the place of what is remembered now, which is backed up before.")
    @Argument(help: "A name of `maru memory backups`; the newest without it.") var backup: String?
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let restored = try await options.asking { client, project in
            let name: String
            if let backup {
                name = backup
            } else {
                guard let newest = try await client.backups(project).first(where: { $0.kind != "safety" }) else {
                    throw CommandError("There is no backup of \(project). Make one with: maru memory backup --project \(project)")
                }
                name = newest.name
            }
            return try await client.restore(project, from: name)
        }
        try options.show(restored) { "\(restored.message)\nWhat was there before: \(restored.safety_backup)" }
    }
}

/// `maru memory export`.
struct MemoryExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write everything that a project remembers into a JSON file, or to standard output.")
    @Argument(help: "The file; standard output without it.") var file: String?
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let target = try file.map { file -> FileHandle in
            // What was said is for its owner's eyes.
            guard FileManager.default.createFile(atPath: file, contents: nil, attributes: [.posixPermissions: 0o600]) else {
                throw CommandError("\(file) cannot be written.")
            }
            return try FileHandle(forWritingTo: URL(filePath: file))
        }
        let out = target ?? .standardOutput
        try await options.asking { client, project in
            for try await part in try await client.export(project) { try out.write(contentsOf: Data(part)) }
        }
        try target?.close()
    }
}

/// `maru memory import`.
struct MemoryImportCommand: AsyncParsableCommand {
    /// Conversations of one request, and bytes of them: less than memory-api takes.
    private static let (piece, pieceBytes) = (500, 4 << 20)

    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take in what an export holds; what is there already is passed over.")
    @Argument(help: "A file of `maru memory export`.") var file: String
    @OptionGroup var options: MemoryOptions

    func run() async throws {
        let document: JSONValue
        do {
            document = try JSONDecoder().decode(JSONValue.self, from: try Data(contentsOf: URL(filePath: file)))
        } catch {
            throw CommandError("\(file) cannot be read as JSON: \(error.localizedDescription)")
        }
        guard let conversations = document["conversations"]?.arrayValue else {
            throw CommandError("\(file) is no export of a memory: it has no “conversations”.")
        }
        var (imported, skipped) = (0, 0)
        let project = try await options.asking { client, project in
            func take(_ body: JSONValue) async throws {
                let answer = try await client.importing(body, into: project)
                imported += answer.imported
                skipped += answer.skipped
            }
            // What was learnt from conversations goes with them, so that it stays linked to where it comes from.
            var learnt = Learnt(document)
            // An empty file is a whole one, too.
            for part in try Self.pieces(of: conversations) {
                let (facts, preferences) = learnt.take(from: Set(part.compactMap { $0["id"]?.intValue }))
                try await take(
                    ["conversations": .array(Array(part)), "important_facts": .array(facts), "user_preferences": .array(preferences)])
            }
            // What outlived the conversation it comes from, or was said by the user.
            while case let (facts, preferences) = learnt.take(Self.piece), !facts.isEmpty || !preferences.isEmpty {
                try await take(["conversations": [], "important_facts": .array(facts), "user_preferences": .array(preferences)])
            }
            return project
        }
        try options.show(["imported": imported, "skipped": skipped]) {
            "\(imported) conversations taken into \(project), \(skipped) passed over."
        }
    }

    /// What was learnt, as far as it was not taken in yet.
    private struct Learnt {
        private var facts: [JSONValue]
        private var preferences: [JSONValue]

        init(_ document: JSONValue) {
            facts = document["important_facts"]?.arrayValue ?? []
            preferences = document["user_preferences"]?.arrayValue ?? []
        }

        /// That from some conversations.
        mutating func take(from sources: Set<Int>) -> (facts: [JSONValue], preferences: [JSONValue]) {
            func isFrom(_ row: JSONValue) -> Bool { row["source_conversation_id"]?.intValue.map(sources.contains) ?? false }
            defer {
                facts.removeAll(where: isFrom)
                preferences.removeAll(where: isFrom)
            }
            return (facts.filter(isFrom), preferences.filter(isFrom))
        }

        /// Some of it, whatever it is from.
        mutating func take(_ count: Int) -> (facts: [JSONValue], preferences: [JSONValue]) {
            defer {
                facts.removeFirst(min(count, facts.count))
                preferences.removeFirst(min(count, preferences.count))
            }
            return (Array(facts.prefix(count)), Array(preferences.prefix(count)))
        }
    }

    /// At least one, though it may be empty.
    private static func pieces(of conversations: [JSONValue]) throws -> [ArraySlice<JSONValue>] {
        var pieces: [ArraySlice<JSONValue>] = []
        var (start, bytes) = (0, 0)
        for (index, conversation) in conversations.enumerated() {
            let size = try conversation.json().count
            if index - start == piece || (index > start && bytes + size > pieceBytes) {
                pieces.append(conversations[start..<index])
                (start, bytes) = (index, 0)
            }
            bytes += size
        }
        return pieces + [conversations[start...]]
    }
}
