import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// Everything that a project remembers, as one JSON document of the reference system's shape (spec/05 §5.6): a row a line, so that a large
/// one need not be held in memory to be read again.
enum MemoryExport {
    /// The members of the document and the tables they come from; the sort order makes two exports of the same memory the same.
    static let members = [
        ("conversations", "conversations"), ("embeddings", "conversation_embeddings"), ("summaries", "conversation_summaries"),
        ("important_facts", "important_facts"), ("user_preferences", "user_preferences"),
    ]

    /// - Throws: the file system's or the database's error.
    static func write(_ project: ProjectID, at moment: Date, _ db: Database, to path: FilePath) throws {
        let out = try LineWriter(path)
        let head: JSONValue = ["export_time": .string(MemoryTime.text(moment)), "project_id": .string(project.text)]
        try out.write(String(decoding: try JSONEncoder.sorted.encode(head), as: UTF8.self).dropLast() + ",")
        for (number, (member, table)) in members.enumerated() {
            try out.write("\"\(member)\":[")
            let rows = try Row.fetchCursor(db, sql: "SELECT * FROM \(table) ORDER BY 1")
            var isFirst = true
            while let row = try rows.next() {
                let text = String(decoding: try JSONEncoder.sorted.encode(JSONValue.object(Self.wire(row))), as: UTF8.self)
                try out.write((isFirst ? "" : ",") + text)
                isFirst = false
            }
            try out.write(number == members.count - 1 ? "]" : "],")
        }
        try out.write("}")
        try out.close()
    }

    /// A row by its columns. Tags and context are JSON inside the database, and JSON they are here.
    private static func wire(_ row: Row) -> [String: JSONValue] {
        var fields: [String: JSONValue] = [:]
        for (name, value) in row {
            switch value.storage {
            case .null: fields[name] = .null
            case .int64(let number): fields[name] = .integer(number)
            case .double(let number): fields[name] = .number(number)
            case .string(let text):
                let isJSON = ["tags", "project_context"].contains(name)
                fields[name] = isJSON ? (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .string(text) : .string(text)
            case .blob(let data): fields[name] = .string(data.base64EncodedString())
            }
        }
        return fields
    }

    /// Reads what ``write(_:at:_:to:)`` wrote into an empty database of a memory.
    ///
    /// - Throws: ``ServiceError`` for a file that is none.
    static func read(_ path: FilePath, into db: Database) throws {
        var table: String?
        let lines = try LineReader(path)
        while let line = try lines.next() {
            if let (_, name) = members.first(where: { line == "\"\($0.0)\":[" }) {
                table = name
            } else if line.hasPrefix("]") {
                table = nil
            } else if let table {
                let row = try JSONDecoder().decode(JSONValue.self, from: Data(line.drop { $0 == "," }.utf8))
                guard let fields = row.objectValue, table != "conversation_embeddings" else { continue }
                try insert(fields, into: table, db)
            }
        }
    }

    private static func insert(_ fields: [String: JSONValue], into table: String, _ db: Database) throws {
        let known = try db.columns(in: table).map(\.name)
        let names = fields.keys.sorted().filter(known.contains)
        let values = try names.map { name -> (any DatabaseValueConvertible)? in
            switch fields[name] {
            case .integer(let number): number
            case .number(let number): number
            case .string(let text): text
            case .bool(let flag): flag
            case .none, .some(.null): nil
            case .some(let value): try MemoryStore.json(value)
            }
        }
        let marks = names.map { _ in "?" }.joined(separator: ",")
        try db.cachedStatement(sql: "INSERT INTO \(table) (\(names.joined(separator: ","))) VALUES (\(marks))")
            .execute(arguments: StatementArguments(values))
    }
}
