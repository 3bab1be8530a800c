import Crypto
import Foundation
import Logging
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

/// Reads documents in: only what is new or changed is embedded, and what is gone is removed.
///
/// Vectors are written before the passages that name them, and removed after. Whatever moment a crash picks, or whoever empties the vector
/// store, the next run finds that the two do not agree, and mends it.
actor IndexDocuments {
    private let database: IndexDatabase
    private let embedding: EmbeddingClient
    private let centred: CentredEmbedding
    private let vectors: VectorStoreClient
    private let settings: Settings
    private let logger: Logger
    /// Collections that are being read into: one run of each at a time, since two would take one another's vectors for leftovers.
    private var busy: Set<String> = []

    init(database: IndexDatabase, centred: CentredEmbedding, clients: SuiteClients, settings: Settings, logger: Logger) {
        self.database = database
        self.centred = centred
        embedding = clients.embedding
        vectors = clients.vectors
        self.settings = settings
        self.logger = logger
    }

    /// Indexes a file or folder into a collection.
    ///
    /// - Throws: 404 when the path does not exist, 403 for places that hold no documents, 409 when the collection was made with another
    ///   model; 503 when the embedding service or the vector store is away.
    func run(_ path: FilePath, into collection: String) async throws -> IndexResponse {
        let start = ContinuousClock.now
        while busy.contains(collection) { try await Task.sleep(for: .milliseconds(50)) }
        busy.insert(collection)
        defer { busy.remove(collection) }
        let files = try await offPool { [settings] in try DocumentFolder(path, settings: settings).files() }
        let known = try await database.hashes(collection, below: path.string)
        let lost = try await reconcile(collection)
        var failed: [IndexResponse.Failure] = []
        var indexed = 0
        var unchanged = 0
        for file in files {
            try Task.checkCancellation()
            do {
                let data = try await Self.read(file)
                let hash = contentHash(data)
                if known[file.path.string] == hash, !lost.contains(file.path.string) {
                    unchanged += 1
                    continue
                }
                try await index(file, data, hash: hash, collection)
                indexed += 1
            } catch let error as Unreadable {
                failed.append(.init(file: file.name, reason: "\(error)"))
            } catch let error as CocoaError {
                failed.append(.init(file: file.name, reason: error.localizedDescription))
            } catch let error as UpstreamError where error.status == 413 || error.status == 422 {
                // One document that the embedding service cannot take must not keep the others out.
                failed.append(.init(file: file.name, reason: "\(error)"))
            }
        }
        let gone = Set(known.keys).subtracting(files.map(\.path.string))
        for path in gone {
            let old = try await database.passageIDs(collection, path: path)
            try await database.remove(collection, path: path)
            if !old.isEmpty { try await vectors.delete(old.map(PointID.uuid), from: collection) }
        }
        return IndexResponse(
            collection: collection, chunks: try await database.passageCount(collection, below: path.string), files: files.count,
            indexed: indexed,
            unchanged: unchanged, removed: gone.count, failed: failed, seconds: (start.duration(to: .now).seconds * 1_000).rounded() / 1_000
        )
    }

    /// Compares the vector store with what is known of it: vectors that no passage names are removed.
    ///
    /// - Returns: the documents that lack vectors, and must be read in again whatever their hashes say.
    private func reconcile(_ collection: String) async throws -> Set<String> {
        let own = try await database.passagePaths(collection)
        guard let there = try await vectors.collection(collection) else { return Set(own.values) }
        guard there.points != own.count else { return [] }
        let stored = Set(try await vectors.ids(in: collection).map(\.description))
        // Only what bears the mark of an id made here (version 8): somebody else's points in the same collection are his.
        let orphans = stored.subtracting(own.keys).filter { $0.count == 36 && $0.dropFirst(14).first == "8" }
        if !orphans.isEmpty {
            logger.notice("removing vectors of no passage", metadata: ["collection": "\(collection)", "count": "\(orphans.count)"])
            try await vectors.delete(orphans.map(PointID.uuid), from: collection)
        }
        return Set(own.filter { !stored.contains($0.key) }.values)
    }

    /// - Throws: ``Unreadable`` for a file that is too large, before a byte of it is read.
    private static func read(_ file: DocumentFolder.File) async throws -> Data {
        try await offPool {
            let size = (try FileManager.default.attributesOfItem(atPath: file.path.string)[.size] as? NSNumber)?.intValue ?? 0
            guard size <= TextExtractor.sizeLimit else { throw Unreadable.tooLarge(size) }
            return try Data(contentsOf: URL(filePath: file.path.string))
        }
    }

    /// What a document is recognised by: its bytes, and all that decides what is made of them. Another model or other passages make
    /// every document a changed one.
    private func contentHash(_ data: Data) -> String {
        let recipe: [any SettingDescription] = [SettingKeys.embeddingModel, SettingKeys.ragChunkSize, SettingKeys.ragChunkOverlap]
        var hash = SHA256()
        let parts = ["\(PassageText.recipe)", "\(Centring.recipe)"] + recipe.map { settings.resolved($0).text }
        hash.update(data: Data(parts.joined(separator: " ").utf8))
        hash.update(data: data)
        return hash.finalize().hex
    }

    private func index(_ file: DocumentFolder.File, _ data: Data, hash: String, _ collection: String) async throws {
        let text = try await TextExtractor().text(of: file.path, data: data)
        let limit = try await embedding.tokenCounts([]).limit
        let length = min(settings[SettingKeys.ragChunkSize], max(1, limit - PassageText.reserve))
        let characters = settings[SettingKeys.embeddingMaxChars]
        let batch = min(64, settings[SettingKeys.embeddingMaxTexts])
        let count: @Sendable ([String]) async throws -> [Int] = { [embedding] texts in
            // A passage is bound in tokens and in characters: what has few tokens and many characters, such as a table set with blanks,
            // counts by these. A quarter is left to the file's name and the headings.
            let tokens = try await embedding.tokenCounts(texts, atMost: batch, of: characters)
            return zip(texts, tokens).map { text, tokens in max(tokens, (text.count + 1) * length / max(1, characters * 3 / 4)) }
        }
        let splitter = Splitter(
            limit: length, overlap: min(settings[SettingKeys.ragChunkOverlap], limit / 4), count: count)
        let passages = try await splitter.split(text)
        let new = passages.enumerated().map { number, passage in
            IndexDatabase.New(id: Self.id(collection, file.path.string, number, passage.text), passage: passage)
        }
        let old = try await database.passageIDs(collection, path: file.path.string)
        for start in stride(from: 0, to: new.count, by: batch) {
            let part = Array(new[start..<min(start + batch, new.count)])
            let texts = try await PassageText.of(part.map(\.passage), in: file.name, count: count)
            let embedded = try await centred.vectors(texts, in: part.map { Language(of: $0.passage.text) }, for: .passage)
            if start == 0 { try await ensure(collection, dimension: embedded[0].count) }
            let points = zip(part, embedded).map { new, vector in
                PointRecord(
                    id: .uuid(new.id), vector: vector,
                    payload: [
                        "file": .string(file.name), "path": .string(file.path.string), "text": .string(new.passage.text),
                        "first_line": .integer(Int64(new.passage.lines.lowerBound)),
                        "last_line": .integer(Int64(new.passage.lines.upperBound)),
                    ])
            }
            try await vectors.upsert(points, to: collection)
        }
        try await database.replace(collection, path: file.path.string, file: file.name, hash: hash, passages: new)
        let stale = Set(old).subtracting(new.map(\.id))
        if !stale.isEmpty { try await vectors.delete(stale.map(PointID.uuid), from: collection) }
        logger.info("indexed", metadata: ["collection": "\(collection)", "passages": "\(new.count)"])
    }

    private func ensure(_ collection: String, dimension: Int) async throws {
        guard let existing = try await vectors.collection(collection) else {
            return try await vectors.createCollection(collection, size: dimension)
        }
        guard existing.size == dimension else {
            throw ServiceError.conflict(
                "Collection \(collection) has \(existing.size) dimensions, the embedding model \(dimension). Remove it with DELETE /collections/\(collection), or go back to its model.",
                code: "dimension_changed")
        }
    }

    /// A UUID made from what the passage is (RFC 9562 §5.8), so that indexing the same again writes the same point.
    private static func id(_ collection: String, _ path: String, _ number: Int, _ text: String) -> String {
        var bytes = Array(SHA256.hash(data: Data("\(collection)\u{0}\(path)\u{0}\(number)\u{0}\(text)".utf8)).prefix(16))
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        let hex = bytes.hex
        let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { range in
            String(hex[hex.index(hex.startIndex, offsetBy: range.lowerBound)..<hex.index(hex.startIndex, offsetBy: range.upperBound)])
        }
        return parts.joined(separator: "-")
    }
}
