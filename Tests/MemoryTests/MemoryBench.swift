import Foundation
import Synchronization
import SystemPackage
import TestSupport

@testable import Memory

/// A clock that a test moves.
final class MovedClock: Sendable {
    private let date = Mutex(Date(timeIntervalSince1970: 1_800_000_000))

    var now: Date { date.withLock { $0 } }

    func advance(days: Double) { date.withLock { $0 += days * 86_400 } }
}

extension Sequence {
    func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}

/// A project's memory in a folder of its own.
func withMemory(_ body: (MemoryStore, MovedClock) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let clock = MovedClock()
        let store = try MemoryStore(
            try ProjectID("project"), for: "tester", path: folder.appending("memory.db"), now: { clock.now })
        try await body(store, clock)
    }
}

extension MemoryStore {
    @discardableResult
    func keep(
        _ query: String,
        _ response: String =
            "An answer of some length, so that nobody takes it for a short one at all, since it goes on and on for a while.",
        importance: Int? = nil, tags: [String] = []
    ) async throws -> Int64 {
        var new = NewConversation(query: query, response: response)
        (new.importance, new.tags) = (importance, tags)
        return try await save(new).id
    }

    func found(_ text: String, _ filter: MemoryFilter = MemoryFilter(), limit: Int = 10) async throws -> [Int64] {
        try await LexicalSearch(store: self).run(MemoryQuery(text), filter, reach(of: filter), limit: limit).map(\.conversation.id)
    }
}
