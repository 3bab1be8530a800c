import Algorithms
import Foundation
import GRDB
import HTTPTypes
import ServiceKit
import SuiteAPI
import Synchronization
import SystemPackage

/// A named set of points. SQLite holds them: what was acknowledged is committed there. Memory holds them again for searching.
///
/// Changes go through GRDB's serial queue, which commits them and then shows them to readers, so that both see the same order.
final class Collection: Sendable {
    let name: String
    let config: CollectionConfig
    let folder: FilePath
    private let database: DatabaseQueue
    // The lock guards the points and the graph, which is not thread-safe itself.
    private let points: Mutex<PointSet>
    private let isOpen = Mutex(true)

    /// Opens a collection, or makes it when a configuration is given.
    ///
    /// - Throws: when the folder holds no collection, or a damaged one.
    init(name: String, folder: FilePath, creating config: CollectionConfig? = nil) throws {
        self.name = name
        self.folder = folder
        try FileManager.default.createDirectory(
            atPath: folder.string, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        var options = Configuration()
        options.journalMode = .wal
        options.busyMode = .timeout(5)
        database = try DatabaseQueue(path: folder.appending("points.sqlite").string, configuration: options)
        try Self.migrator.migrate(database)
        self.config = try database.write { db in
            if let config {
                try db.execute(sql: "INSERT INTO config (id, json) VALUES (1, ?)", arguments: [try JSONEncoder().encode(config)])
                return config
            }
            guard let json = try Data.fetchOne(db, sql: "SELECT json FROM config WHERE id = 1") else {
                throw ServiceError(.internalServerError, code: "damaged_collection", "\(folder) holds no collection.")
            }
            return try JSONDecoder().decode(CollectionConfig.self, from: json)
        }
        var set = PointSet(config: self.config)
        try database.read { db in
            for row in try Row.fetchAll(db, sql: "SELECT field, schema FROM payload_indexes") {
                set.payloadIndexes[row["field"]] = try JSONDecoder().decode(JSONValue.self, from: row["schema"] as Data)
            }
            let rows = try Row.fetchCursor(db, sql: "SELECT id, vector, payload FROM points ORDER BY rowid")
            while let row = try rows.next() {
                let payload = try JSONDecoder().decode([String: JSONValue].self, from: row["payload"] as Data)
                try set.put(
                    CollectionOfOne(PointRecord(id: PointID(stored: row["id"]), vector: (row["vector"] as Data).floats, payload: payload)))
            }
        }
        points = Mutex(set)
    }

    private static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("points") { db in
            try db.execute(
                sql: """
                    CREATE TABLE config (id INTEGER PRIMARY KEY CHECK (id = 1), json BLOB NOT NULL);
                    CREATE TABLE points (id TEXT NOT NULL UNIQUE, vector BLOB NOT NULL, payload BLOB NOT NULL);
                    """)
        }
        migrator.registerMigration("payload indexes") { db in
            try db.execute(sql: "CREATE TABLE payload_indexes (field TEXT PRIMARY KEY, schema BLOB NOT NULL)")
        }
        return migrator
    }()

    /// Points that are placed while searches wait: some ten milliseconds.
    private static let placedAtOnce = 32

    var count: Int { points.withLock { $0.count } }

    /// Whether searches go through the graph.
    var isIndexed: Bool { points.withLock { $0.graph != nil } }

    /// Fields that were indexed, with how. Payloads are always in memory, so an index speeds nothing up; one of text says that words
    /// are matched.
    var payloadIndexes: [String: JSONValue] { points.withLock { $0.payloadIndexes } }

    /// Lets go of the files. Changes that come later find no collection.
    func close() throws {
        isOpen.withLock { $0 = false }
        try database.close()
    }

    // MARK: Changes

    /// Writes points; they are durable when this returns.
    ///
    /// - Throws: 400 when a vector does not fit the collection. Then nothing of the batch is written.
    func upsert(_ records: [PointRecord]) async throws {
        let prepared = try records.map { PointRecord(id: try $0.id.validated(), vector: try accepted($0.vector), payload: $0.payload) }
        try await change { db -> Void in
            let insert = try db.makeStatement(
                sql: """
                    INSERT INTO points (id, vector, payload) VALUES (?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, payload = excluded.payload
                    """)
            for record in prepared {
                try insert.execute(arguments: [record.id.stored, Data(floats: record.vector), try JSONEncoder().encode(record.payload)])
            }
        } apply: { _ in
            // A few at a time: who searches meanwhile does not wait for all of them.
            for few in prepared.chunks(ofCount: Self.placedAtOnce) { try self.points.withLock { try $0.put(few) } }
            try self.buildGraphIfWorthwhile()
        }
    }

    /// Removes points.
    func remove(_ ids: [PointID]) async throws {
        try await change { db -> Void in
            let delete = try db.makeStatement(sql: "DELETE FROM points WHERE id = ?")
            for id in ids { try delete.execute(arguments: [id.stored]) }
        } apply: { _ in
            self.points.withLock { set in for id in ids { set.remove(id) } }
        }
    }

    /// Gives points new payloads, each made from its old one.
    func updatePayloads(of ids: [PointID], _ update: @escaping @Sendable ([String: JSONValue]) -> [String: JSONValue]) async throws {
        // Read on the queue that writes, so that of two changes at once the second sees the first.
        try await change { db -> [(PointID, [String: JSONValue])] in
            let old = try db.makeStatement(sql: "SELECT payload FROM points WHERE id = ?")
            let new = try db.makeStatement(sql: "UPDATE points SET payload = ? WHERE id = ?")
            return try ids.compactMap { id in
                guard let data = try Data.fetchOne(old, arguments: [id.stored]) else { return nil }
                let payload = update(try JSONDecoder().decode([String: JSONValue].self, from: data))
                try new.execute(arguments: [try JSONEncoder().encode(payload), id.stored])
                return (id, payload)
            }
        } apply: { changed in
            self.points.withLock { set in for (id, payload) in changed { set.setPayload(id, payload) } }
        }
    }

    /// Indexes a field, or drops its index.
    func setPayloadIndex(_ field: String, _ schema: JSONValue?) async throws {
        try await change { db -> Void in
            try db.execute(sql: "DELETE FROM payload_indexes WHERE field = ?", arguments: [field])
            guard let schema else { return }
            try db.execute(
                sql: "INSERT INTO payload_indexes (field, schema) VALUES (?, ?)", arguments: [field, try JSONEncoder().encode(schema)])
        } apply: { _ in
            self.points.withLock { $0.payloadIndexes[field] = schema }
        }
    }

    /// - Throws: 404 when the collection was removed meanwhile.
    private func change<Change: Sendable>(
        _ write: @escaping @Sendable (Database) throws -> Change, apply: @escaping @Sendable (Change) throws -> Void
    ) async throws {
        do {
            try await database.writeWithoutTransaction { db in
                var change: Change?
                try db.inTransaction(.immediate) {
                    change = try write(db)
                    return .commit
                }
                // Committed: now readers may see it. Still on the queue, so changes are shown in the order of their commits.
                if let change { try apply(change) }
            }
        } catch  where !isOpen.withLock({ $0 }) {
            throw CollectionStore.notFound(name)
        }
    }

    // MARK: Reading

    func matching(_ filter: Filter?) -> [PointID] { points.withLock { $0.matching(filter) } }

    /// Points by id, those there are.
    func points(_ ids: [PointID], vector: Bool) -> [(id: PointID, payload: [String: JSONValue], vector: [Float]?)] {
        points.withLock { set in
            ids.compactMap { id in set.payload(id).map { (id, $0, vector ? set.vector(id) : nil) } }
        }
    }

    /// Ids in order from an offset on, and the id with which the next page begins.
    func page(from offset: PointID?, limit: Int, filter: Filter?) -> (ids: [PointID], next: PointID?) {
        let all = filter == nil ? inOrder() : matching(filter).sorted()
        let ids = all[(offset.map { offset in all.partitioningIndex { $0 >= offset } } ?? 0)...]
        return (Array(ids.prefix(limit)), ids.dropFirst(limit).first)
    }

    /// All ids, sorted while others search, and for the next page only when nothing came or went meanwhile.
    private func inOrder() -> [PointID] {
        let (known, ids, changes) = points.withLock { ($0.inOrder, $0.inOrder == nil ? $0.matching(nil) : [], $0.changes) }
        if let known { return known }
        let sorted = ids.sorted()
        points.withLock { if $0.changes == changes { $0.inOrder = sorted } }
        return sorted
    }

    /// The nearest points, best first.
    ///
    /// - Parameters:
    ///   - isExact: whether every point is looked at.
    ///   - effort: points of the graph that are looked at, at least.
    /// - Throws: 400 when the query's dimension is another.
    func search(_ query: [Float], limit: Int, filter: Filter?, isExact: Bool = false, effort: Int = 0) throws -> [(
        id: PointID, score: Float
    )] {
        let query = try accepted(query)
        return try points.withLock { try $0.search(query, limit: limit, filter: filter, isExact: isExact, effort: effort) }
    }

    /// The vector of a point, as it is stored.
    func vector(of id: PointID) -> [Float]? { points.withLock { $0.vector(id) } }

    // MARK: Snapshots and the graph

    /// Writes a copy of everything, consistent whatever is written meanwhile (https://www.sqlite.org/lang_vacuum.html#vacuuminto).
    func snapshot(to path: FilePath) async throws {
        do {
            try await database.writeWithoutTransaction { db in try db.execute(sql: "VACUUM INTO ?", arguments: [path.string]) }
        } catch  where !isOpen.withLock({ $0 }) {
            throw CollectionStore.notFound(name)
        }
    }

    /// - Throws: when SQLite finds the database damaged.
    func verifyIntegrity() throws {
        let verdict = try database.read { db in try String.fetchOne(db, sql: "PRAGMA integrity_check") }
        guard verdict == "ok" else { throw ServiceError(.internalServerError, code: "damaged_collection", verdict ?? "no verdict") }
    }

    /// Builds the graph when there are enough points for one to pay.
    func buildGraphIfWorthwhile() throws {
        try points.withLock { set in
            if set.graph == nil, config.distance.largerIsNearer, set.count >= GraphIndex.threshold { set.graph = try set.builtGraph() }
        }
    }

    /// A vector as it is stored: of the right size, finite, and of length 1 where the cosine is compared.
    private func accepted(_ vector: [Float]) throws -> [Float] {
        guard vector.count == config.size else {
            throw ServiceError.badRequest(
                "Wrong input: Vector dimension error: expected dim: \(config.size), got \(vector.count)", code: "wrong_dimension")
        }
        guard vector.allSatisfy(\.isFinite) else {
            throw ServiceError.badRequest("A vector holds numbers that are not finite.", code: "not_finite")
        }
        guard config.distance == .cosine else { return vector }
        // In double precision: the square of a float may be past what a float holds.
        let length = vector.reduce(into: 0.0) { $0 += Double($1) * Double($1) }.squareRoot()
        return length > 0 ? vector.map { Float(Double($0) / length) } : vector
    }
}

extension PointID {
    /// As it stands in the database: numbers in decimal, UUIDs in their canonical form.
    var stored: String { description }

    init(stored: String) { self = UInt64(stored).map(PointID.number) ?? .uuid(stored) }

    /// - Throws: 400 for a text that is no UUID.
    func validated() throws -> PointID {
        guard case .uuid(let text) = self else { return self }
        guard let uuid = Self.canonical(text) else {
            throw ServiceError.badRequest(
                "A point's id must be an unsigned number or a UUID; “\(text.prefix(60))” is neither.", code: "invalid_id")
        }
        return .uuid(uuid)
    }
}
