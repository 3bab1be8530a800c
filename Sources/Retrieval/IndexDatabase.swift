import Foundation
import GRDB
import ServiceKit
import SystemPackage

/// What retrieval knows of documents and passages, with the lexical index. Vectors are in the vector store, under the same ids.
struct IndexDatabase: Sendable {
    /// A passage as it was stored.
    struct Stored: Sendable, FetchableRecord {
        let rowID: Int64
        let id: String
        let path: String
        let file: String
        let lines: ClosedRange<Int>
        let heading: String?
        let text: String

        init(row: Row) {
            rowID = row["rowid"]
            id = row["id"]
            path = row["path"]
            file = row["file"]
            let first: Int = row["first_line"]
            lines = first...max(first, row["last_line"])
            heading = row["heading"]
            text = row["text"]
        }

        /// What the words of a question are looked for in: the file's name and the headings are words one searches by, too.
        var searchedText: String { [file, heading ?? "", text].joined(separator: "\n") }
    }

    /// A passage to store.
    struct New: Sendable {
        let id: String
        let passage: Passage
    }

    private let pool: DatabasePool

    init(path: FilePath) throws {
        try FileManager.default.createDirectory(atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
        pool = try DatabasePool(path: path.string)
        var migrator = DatabaseMigrator()
        migrator.registerMigration("documents and passages") { db in
            try db.execute(
                sql: """
                    CREATE TABLE documents (collection TEXT NOT NULL, path TEXT NOT NULL, file TEXT NOT NULL, hash TEXT NOT NULL,
                        PRIMARY KEY (collection, path)) WITHOUT ROWID;
                    CREATE TABLE passages (rowid INTEGER PRIMARY KEY, id TEXT NOT NULL, collection TEXT NOT NULL, path TEXT NOT NULL,
                        file TEXT NOT NULL, first_line INTEGER NOT NULL, last_line INTEGER NOT NULL, heading TEXT, text TEXT NOT NULL,
                        UNIQUE (collection, id));
                    CREATE INDEX passages_by_path ON passages (collection, path);
                    CREATE VIRTUAL TABLE passage_words USING fts5 (words, pairs, tokenize = 'unicode61 remove_diacritics 0');
                    """)
        }
        migrator.registerMigration("collection versions") { db in
            try db.execute(sql: "CREATE TABLE collections (collection TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID")
        }
        migrator.registerMigration("centrings") { db in
            try db.execute(
                sql: "CREATE TABLE centrings (model TEXT PRIMARY KEY, recipe INTEGER NOT NULL, means BLOB NOT NULL) WITHOUT ROWID")
        }
        try migrator.migrate(pool)
    }

    /// What was learnt about an embedding model, by today's recipe.
    func centring(for model: String) async throws -> Centring? {
        let means = try await pool.read { db in
            try Data.fetchOne(
                db, sql: "SELECT means FROM centrings WHERE model = ? AND recipe = ?", arguments: [model, Centring.recipe])
        }
        return try means.map { try JSONDecoder().decode(Centring.self, from: $0) }
    }

    func keep(_ centring: Centring, for model: String) async throws {
        let means = try JSONEncoder().encode(centring)
        try await pool.write { db in
            try db.execute(
                sql: "INSERT OR REPLACE INTO centrings (model, recipe, means) VALUES (?, ?, ?)", arguments: [model, Centring.recipe, means])
        }
    }

    /// A number that grows whenever anything in a collection changes, and never comes back.
    func version(of collection: String) async throws -> Int {
        try await pool.read { db in
            try Int.fetchOne(db, sql: "SELECT version FROM collections WHERE collection = ?", arguments: [collection]) ?? 0
        }
    }

    private static func countChange(_ db: Database, _ collection: String) throws {
        try db.execute(
            sql: "INSERT INTO collections (collection, version) VALUES (?, 1) ON CONFLICT (collection) DO UPDATE SET version = version + 1",
            arguments: [collection])
    }

    /// Hashes of the documents below a path, by their own paths.
    func hashes(_ collection: String, below root: String) async throws -> [String: String] {
        try await pool.read { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT path, hash FROM documents WHERE collection = ? AND (path = ? OR substr(path, 1, ?) = ?)",
                arguments: [collection, root, root.unicodeScalars.count + 1, root + "/"])
            return Dictionary(rows.map { ($0["path"], $0["hash"]) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Every passage of a collection, by id, with the path of its document.
    func passagePaths(_ collection: String) async throws -> [String: String] {
        try await pool.read { db in
            let rows = try Row.fetchAll(db, sql: "SELECT id, path FROM passages WHERE collection = ?", arguments: [collection])
            return Dictionary(rows.map { ($0["id"], $0["path"]) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Ids of a document's passages.
    func passageIDs(_ collection: String, path: String) async throws -> [String] {
        try await pool.read { db in
            try String.fetchAll(db, sql: "SELECT id FROM passages WHERE collection = ? AND path = ?", arguments: [collection, path])
        }
    }

    /// Puts a document's passages in the place of the ones it had.
    func replace(_ collection: String, path: String, file: String, hash: String, passages: [New]) async throws {
        try await pool.write { db in
            try Self.remove(db, collection, path)
            for new in passages {
                try db.execute(
                    sql:
                        "INSERT INTO passages (id, collection, path, file, first_line, last_line, heading, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    arguments: [
                        new.id, collection, path, file, new.passage.lines.lowerBound, new.passage.lines.upperBound, new.passage.heading,
                        new.passage.text,
                    ])
                // The file's name and the headings are words one searches by, too.
                let words = [file, new.passage.heading ?? "", new.passage.text].joined(separator: "\n")
                try db.execute(
                    sql: "INSERT INTO passage_words (rowid, words, pairs) VALUES (?, ?, ?)",
                    arguments: [db.lastInsertedRowID, words, KoreanBigrams.of(words)])
            }
            try db.execute(
                sql: "INSERT INTO documents (collection, path, file, hash) VALUES (?, ?, ?, ?)", arguments: [collection, path, file, hash])
        }
    }

    func remove(_ collection: String, path: String) async throws { try await pool.write { db in try Self.remove(db, collection, path) } }

    private static func remove(_ db: Database, _ collection: String, _ path: String) throws {
        try db.execute(
            sql: "DELETE FROM passage_words WHERE rowid IN (SELECT rowid FROM passages WHERE collection = ? AND path = ?)",
            arguments: [collection, path])
        try db.execute(sql: "DELETE FROM passages WHERE collection = ? AND path = ?", arguments: [collection, path])
        try db.execute(sql: "DELETE FROM documents WHERE collection = ? AND path = ?", arguments: [collection, path])
        try countChange(db, collection)
    }

    /// Passages by id, in no particular order.
    func passages(_ collection: String, ids: [String]) async throws -> [Stored] {
        try await pool.read { db in
            let marks = ids.map { _ in "?" }.joined(separator: ",")
            return try Stored.fetchAll(
                db, sql: "SELECT * FROM passages WHERE collection = ? AND id IN (\(marks))",
                arguments: StatementArguments([collection] + ids))
        }
    }

    /// Passages that hold words of an FTS5 expression, best first by BM25 (https://www.sqlite.org/fts5.html#the_bm25_function).
    func matching(_ expression: String, in collection: String, limit: Int) async throws -> [Stored] {
        try await pool.read { db in
            try Stored.fetchAll(
                db,
                sql: """
                    SELECT passages.* FROM passage_words JOIN passages ON passages.rowid = passage_words.rowid
                    WHERE passage_words MATCH ? AND passages.collection = ? ORDER BY bm25(passage_words, 1.0, 1.0), passages.rowid LIMIT ?
                    """, arguments: [expression, collection, limit])
        }
    }

    /// In how many passages of a collection each FTS5 expression is found, and how many there are.
    func frequencies(_ expressions: [String], in collection: String) async throws -> (counts: [Int], total: Int) {
        try await pool.read { db in
            let counts = try expressions.map { expression in
                try Int.fetchOne(
                    db,
                    sql:
                        "SELECT count(*) FROM passage_words JOIN passages ON passages.rowid = passage_words.rowid WHERE passage_words MATCH ? AND collection = ?",
                    arguments: [expression, collection]) ?? 0
            }
            return (counts, try Int.fetchOne(db, sql: "SELECT count(*) FROM passages WHERE collection = ?", arguments: [collection]) ?? 0)
        }
    }

    /// Collections with their documents and passages.
    func collections() async throws -> [(name: String, documents: Int, passages: Int)] {
        try await pool.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT collection, count(*) AS documents, (SELECT count(*) FROM passages WHERE passages.collection = documents.collection) AS passages
                    FROM documents GROUP BY collection ORDER BY collection
                    """
            ).map { ($0["collection"], $0["documents"], $0["passages"]) }
        }
    }

    func passageCount(_ collection: String, below root: String) async throws -> Int {
        try await pool.read { db in
            try Int.fetchOne(
                db, sql: "SELECT count(*) FROM passages WHERE collection = ? AND (path = ? OR substr(path, 1, ?) = ?)",
                arguments: [collection, root, root.unicodeScalars.count + 1, root + "/"]) ?? 0
        }
    }

    /// - Returns: whether there was anything of it.
    func removeCollection(_ name: String) async throws -> Bool {
        try await pool.write { db in
            try db.execute(
                sql: "DELETE FROM passage_words WHERE rowid IN (SELECT rowid FROM passages WHERE collection = ?)", arguments: [name])
            try db.execute(sql: "DELETE FROM passages WHERE collection = ?", arguments: [name])
            try db.execute(sql: "DELETE FROM documents WHERE collection = ?", arguments: [name])
            guard db.changesCount > 0 else { return false }
            try Self.countChange(db, name)
            return true
        }
    }
}
