import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import NIOFoundationEssentialsCompat
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Vectors

@Suite("The vector store")
struct VectorsServiceTests {
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func run(_ body: @escaping @Sendable (Caller) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try await withRunning(VectorsService(settings: settings, logger: quiet), settings: settings) {
                try await body(Caller(client: $0))
            }
        }
    }

    private struct Caller: Sendable {
        let client: any TestClientProtocol

        @discardableResult
        func call(_ method: HTTPRequest.Method, _ path: String, _ body: String = "") async throws -> (Int, JSONValue) {
            let response = try await client.execute(uri: path, method: method, body: ByteBuffer(string: body))
            return (response.status.code, (try? JSONDecoder().decode(JSONValue.self, from: Data(buffer: response.body))) ?? .null)
        }
    }

    @Test("Points are written, found, filtered, counted, scrolled and removed")
    func lifecycle() async throws {
        try await run { store in
            try await store.call(.put, "/collections/c", #"{"vectors":{"size":2,"distance":"Cosine"}}"#)
            let points =
                #"{"points":[{"id":1,"vector":[1,0],"payload":{"k":"a"}},{"id":2,"vector":[0,1],"payload":{"k":"b"}},{"id":3,"vector":[1,1]}]}"#
            #expect(try await store.call(.put, "/collections/c/points?wait=true", points).0 == 200)
            let (_, near) = try await store.call(.post, "/collections/c/points/query", #"{"query":[1,0.1],"limit":2,"with_payload":true}"#)
            #expect(near["result"]?["points"]?.arrayValue?.compactMap { $0["id"]?.intValue } == [1, 3])
            let filter = #"{"filter":{"must":[{"key":"k","match":{"value":"b"}}]}}"#
            #expect(try await store.call(.post, "/collections/c/points/count", filter).1["result"]?["count"]?.intValue == 1)
            #expect(
                try await store.call(.post, "/collections/c/points/scroll", #"{"limit":2}"#).1["result"]?["next_page_offset"]?.intValue == 3
            )
            try await store.call(.post, "/collections/c/points/delete", #"{"points":[1]}"#)
            #expect(try await store.call(.get, "/collections/c").1["result"]?["points_count"]?.intValue == 2)
        }
    }

    @Test("Vectors come as numbers, and as base64 for who prefers it")
    func base64() async throws {
        try await run { store in
            try await store.call(.put, "/collections/c", #"{"vectors":{"size":2,"distance":"Dot"}}"#)
            try await store.call(.put, "/collections/c/points?wait=true", #"{"points":[{"id":1,"vector":[1,-2.5]}]}"#)
            let asked = ByteBuffer(string: #"{"ids":[1],"with_vector":true}"#)
            let base64 = #""AACAPwAAIMA=""#
            for (preference, expected) in [(nil, "[1,-2.5]"), ("a, vectors=base64", base64), ("respond-async", "[1,-2.5]")] {
                var headers = HTTPFields()
                headers[try #require(HTTPField.Name("Prefer"))] = preference
                let answer = try await store.client.execute(uri: "/collections/c/points", method: .post, headers: headers, body: asked)
                #expect(String(buffer: answer.body).contains("\"vector\":\(expected)"), "\(String(buffer: answer.body))")
            }
        }
    }

    @Test("Going through the points page by page meets each once and in order, whatever came and went since the last time")
    func pages() async throws {
        try await run { store in
            try await store.call(.put, "/collections/c", #"{"vectors":{"size":2,"distance":"Cosine"}}"#)
            func put(_ ids: [Int]) async throws {
                let points = ids.map { #"{"id":\#($0),"vector":[1,0],"payload":{"even":\#($0 % 2 == 0)}}"# }.joined(separator: ",")
                try await store.call(.put, "/collections/c/points?wait=true", #"{"points":[\#(points)]}"#)
            }
            func all(_ more: String = "") async throws -> [Int] {
                var (found, offset): ([Int], JSONValue?) = ([], nil)
                repeat {
                    let from = offset?.intValue.map { #","offset":\#($0)"# } ?? ""
                    let page = try await store.call(.post, "/collections/c/points/scroll", #"{"limit":3\#(from)\#(more)}"#).1["result"]
                    found += page?["points"]?.arrayValue?.compactMap { $0["id"]?.intValue } ?? []
                    offset = page?["next_page_offset"]
                } while offset != .null
                return found
            }
            try await put([9, 2, 5, 11, 1, 7, 3])
            #expect(try await all() == [1, 2, 3, 5, 7, 9, 11])
            try await put([4, 2])
            try await store.call(.post, "/collections/c/points/delete", #"{"points":[11,3]}"#)
            #expect(try await all() == [1, 2, 4, 5, 7, 9])
            #expect(try await all(#","filter":{"must":[{"key":"even","match":{"value":true}}]}"#) == [2, 4])
            #expect(
                try await store.call(.post, "/collections/c/points/scroll", #"{"offset":8}"#).1["result"]?["points"]?.arrayValue?.count == 1
            )
        }
    }

    @Test(
        "Mistakes are told with the right status",
        arguments: [
            ("PUT", "/collections/a%2F..%2Fb", #"{"vectors":{"size":2,"distance":"Dot"}}"#, 400),
            ("PUT", "/collections/x", #"{"vectors":{"size":0,"distance":"Dot"}}"#, 400),
            ("PUT", "/collections/x", #"{"vectors":{"size":2,"distance":"?"}}"#, 400),
            ("GET", "/collections/none", "", 404), ("PUT", "/collections/c", #"{"vectors":{"size":2,"distance":"Dot"}}"#, 409),
            ("PUT", "/collections/c/points", #"{"points":[{"id":1,"vector":[1]}]}"#, 400),
            ("PUT", "/collections/c/points", #"{"points":[{"id":"x","vector":[1,2]}]}"#, 400),
            ("POST", "/collections/c/points/query", #"{"query":[1,2,3]}"#, 400), ("POST", "/collections/c/points/delete", "{}", 400),
            ("POST", "/collections/c/points/query", #"{"query":{"fusion":"rrf"}}"#, 501),
            ("PUT", "/collections/c/points/payload", #"{"points":[1]}"#, 422),
            ("POST", "/collections/c/points/payload", #"{"points":[1]}"#, 422),
            ("POST", "/collections/c/points/payload/delete", #"{"points":[1]}"#, 422),
            ("POST", "/collections/c/points/query/batch", "{}", 422),
            ("POST", "/collections/c/points/delete", #"{"filter":{"musst":[]}}"#, 501),
        ])
    func mistakes(method: String, path: String, body: String, status: Int) async throws {
        try await run { store in
            try await store.call(.put, "/collections/c", #"{"vectors":{"size":2,"distance":"Dot"}}"#)
            #expect(try await store.call(try #require(HTTPRequest.Method(method)), path, body).0 == status)
        }
    }

    @Test("weakness_28_what_was_acknowledged_is_there_after_opening_again")
    func weakness_28_durable() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending("c")
            let first = try Collection(name: "c", folder: path, creating: CollectionConfig(["size": 2, "distance": "Dot"]))
            try await first.upsert(
                (1...50).map { PointRecord(id: .number($0), vector: [Float($0), 1], payload: ["n": .integer(Int64($0))]) })
            try await first.remove([.number(7)])
            // Not closed: as after a crash.
            let second = try Collection(name: "c", folder: path)
            #expect(second.count == 49)
            #expect(try second.search([1, 0], limit: 1, filter: nil).first?.id == .number(50))
        }
    }

    @Test("The graph finds what looking at every point finds")
    func recall() async throws {
        try await withScratchFolder { folder in
            var generator = SystemRandomNumberGenerator()
            let centres = (0..<30).map { _ in (0..<16).map { _ in Float.random(in: -1...1, using: &generator) } }
            let records = (0..<2_500).map { number in
                PointRecord(
                    id: .number(UInt64(number)), vector: centres[number % 30].map { $0 + Float.random(in: -0.3...0.3, using: &generator) },
                    payload: [:])
            }
            let collection = try Collection(
                name: "c", folder: folder.appending("c"), creating: CollectionConfig(["size": 16, "distance": "Cosine"]))
            try await collection.upsert(records)
            #expect(collection.isIndexed)
            let everything = try JSONDecoder().decode(Filter.self, from: Data(#"{"must_not":[{"has_id":[999999]}]}"#.utf8))
            var hits = 0
            for centre in centres {
                let exact = Set(try collection.search(centre, limit: 10, filter: everything).map(\.id))
                hits += try collection.search(centre, limit: 10, filter: nil).count { exact.contains($0.id) }
            }
            #expect(Double(hits) / 300 >= 0.97)
        }
    }

    @Test("The graph knows every point by its last vector, whether it is new, changed, twice in a batch, or back after it was gone")
    func changes() async throws {
        try await withScratchFolder { folder in
            var generator = SystemRandomNumberGenerator()
            func record(_ id: UInt64) -> PointRecord {
                PointRecord(id: .number(id), vector: (0..<16).map { _ in Float.random(in: -1...1, using: &generator) }, payload: [:])
            }
            let collection = try Collection(
                name: "c", folder: folder.appending("c"), creating: CollectionConfig(["size": 16, "distance": "Cosine"]))
            var last = (0..<2_500).map(record)
            try await collection.upsert(last)
            try await collection.remove((0..<50).map { .number($0) })
            // Gone and back, changed, and new; some of each twice.
            let ranges: [Range<UInt64>] = [0..<20, 100..<140, 2_500..<2_560, 10..<20, 130..<140, 2_550..<2_570]
            let batch = ranges.joined().map(record)
            try await collection.upsert(batch)
            last += batch
            #expect(collection.isIndexed && collection.count == 2_540)
            let expected = Dictionary(last.map { ($0.id, $0.vector) }, uniquingKeysWith: { $1 })
            let gone = Set((UInt64(20)..<50).map(PointID.number))
            let changed = Set(batch.map(\.id))
            func missed(_ ids: Set<PointID>) throws -> Int {
                try ids.count { id in try expected[id].map { try collection.search($0, limit: 1, filter: nil).first?.id != id } ?? true }
            }
            // A graph may miss one in some hundreds; what was never put into it would all be missed.
            #expect(try missed(changed) <= 3)
            #expect(try missed(Set(expected.keys).subtracting(gone).subtracting(changed)) <= 25)
            for id in gone {
                let vector = try #require(expected[id])
                #expect(try collection.search(vector, limit: 5, filter: nil).allSatisfy { $0.id != id })
            }
        }
    }

    @Test("A snapshot restores what was there when it was made; a damaged one changes nothing")
    func snapshots() async throws {
        try await run { store in
            try await store.call(.put, "/collections/c", #"{"vectors":{"size":1,"distance":"Dot"}}"#)
            try await store.call(.put, "/collections/c/points", #"{"points":[{"id":1,"vector":[1]}]}"#)
            let made = try await store.call(.post, "/collections/c/snapshots").1["result"]
            let name = try #require(made?["name"]?.stringValue)
            try await store.call(.put, "/collections/c/points", #"{"points":[{"id":2,"vector":[2]}]}"#)
            let location = "http://localhost/collections/c/snapshots/\(name)"
            let bad = "{\"location\":\"\(location)\",\"checksum\":\"00\"}"
            #expect(try await store.call(.put, "/collections/d/snapshots/recover", bad).0 == 400)
            #expect(try await store.call(.put, "/collections/d/snapshots/recover", "{\"location\":\"file:///etc/passwd\"}").0 == 400)
            let good = "{\"location\":\"\(location)\",\"checksum\":\"\(made?["checksum"]?.stringValue ?? "")\"}"
            #expect(try await store.call(.put, "/collections/d/snapshots/recover", good).0 == 200)
            #expect(try await store.call(.get, "/collections/d").1["result"]?["points_count"]?.intValue == 1)
        }
    }

    @Test("What was half made or half removed when the process ended is gone at the next start, and holds nothing up")
    func halves() async throws {
        try await withScratchFolder { folder in
            for half in [".new", ".gone"] {
                let path = folder.appending(half)
                try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
                try Data("half".utf8).write(to: URL(filePath: path.appending("points.sqlite").string))
            }
            let store = CollectionStore(folder: folder, logger: quiet)
            try await store.load()
            #expect(await store.broken.isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.string).isEmpty)
            try await store.create("c", CollectionConfig(["size": 2, "distance": "Dot"]))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.string) == ["c"])
            #expect(try await store.delete("c"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.string).isEmpty)
        }
    }

    @Test("Vectors as long as floats can be are compared without overflow")
    func large() async throws {
        try await run { store in
            try await store.call(.put, "/collections/cos", #"{"vectors":{"size":2,"distance":"Cosine"}}"#)
            try await store.call(.put, "/collections/cos/points", #"{"points":[{"id":1,"vector":[1e30,0]},{"id":2,"vector":[0,1e30]}]}"#)
            let (_, near) = try await store.call(.post, "/collections/cos/points/query", #"{"query":[1e30,1e29],"limit":1}"#)
            #expect(near["result"]?["points"]?.arrayValue?.first?["id"]?.intValue == 1)
            try await store.call(.put, "/collections/dot", #"{"vectors":{"size":1,"distance":"Dot"}}"#)
            try await store.call(.put, "/collections/dot/points", #"{"points":[{"id":1,"vector":[3e38]}]}"#)
            let (status, _) = try await store.call(.post, "/collections/dot/points/query", #"{"query":[3e38]}"#)
            #expect(status == 200)
        }
    }
}
