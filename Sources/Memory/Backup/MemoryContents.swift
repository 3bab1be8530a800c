import Crypto
import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// What two databases of a memory are compared by: all that is remembered and learnt, in any form of a backup.
struct MemoryContents: Sendable, Equatable {
    let conversations: Int
    /// SHA-256 over every row.
    let digest: String

    /// What is remembered and learnt; the index and the queue are made from it.
    static let tables = ["conversations", "conversation_summaries", "important_facts", "user_preferences"]

    init(_ db: Database) throws {
        var hasher = SHA256()
        var count = 0
        for table in Self.tables {
            let rows = try Row.fetchCursor(db, sql: "SELECT * FROM \(table) ORDER BY 1")
            while let row = try rows.next() {
                if table == "conversations" { count += 1 }
                for (name, value) in row { hasher.update(data: Data("\(table).\(name)=\(value)\u{0}".utf8)) }
            }
        }
        (conversations, digest) = (count, hasher.finalize().hex)
    }

    /// What a database holds that nobody writes, once it was found whole.
    ///
    /// - Throws: ``ServiceError`` when it is damaged; the database's error when it is none.
    init(of path: FilePath) throws {
        var configuration = Configuration()
        configuration.readonly = true
        let copy = try DatabaseQueue(path: path.string, configuration: configuration)
        defer { try? copy.close() }
        self = try copy.read { db in
            let problems = try String.fetchAll(db, sql: "PRAGMA integrity_check(10)").filter { $0 != "ok" }
            guard problems.isEmpty else {
                throw ServiceError.unavailable(
                    "\(path.lastComponent?.string ?? "A backup") is damaged: \(problems[0])", code: "backup_damaged")
            }
            return try MemoryContents(db)
        }
    }
}
