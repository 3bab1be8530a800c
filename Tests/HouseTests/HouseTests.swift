import Foundation
import Suite
import Testing

/// Meta-tests: what the design says of the house, held against the files.
@Suite("The house")
struct HouseTests {
    private static let floors: [String: Int] = [
        "maru": 7, "Operations": 6, "Supervision": 5, "Retrieval": 5, "Memory": 5, "Gateway": 5, "Embedding": 5, "Tools": 5, "Sandbox": 4,
        "Inference": 4, "Vectors": 4,
        "Security": 4,
        "SuiteAPI": 3, "ServiceKit": 2, "Suite": 1, "CHnsw": 1, "CLinux": 1, "CVersion": 1,
    ]
    private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func sources() throws -> [(module: String, name: String, text: String)] {
        let folder = root.appending(path: "Sources")
        let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
        return try files.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }.map { file in
            let parts = file.pathComponents.drop { $0 != "Sources" }
            return (Array(parts)[1], file.lastPathComponent, try String(contentsOf: file, encoding: .utf8))
        }
    }

    @Test("A module imports only from floors below its own")
    func floors() throws {
        let sources = try sources()
        #expect(Set(sources.map(\.module)).isSubset(of: Self.floors.keys))
        for source in sources {
            for line in source.text.split(separator: "\n") where line.hasPrefix("import ") {
                let imported = String(line.dropFirst(7))
                guard let theirs = Self.floors[imported], let own = Self.floors[source.module] else { continue }
                #expect(theirs < own, "\(source.module)/\(source.name) imports \(imported)")
            }
        }
    }

    @Test("Nothing is unfinished, nothing is forced, no file is a room too large")
    func words() throws {
        for source in try sources() {
            for word in ["TODO", "FIXME", "try!", "fatalError(", "@unchecked Sendable"] {
                #expect(!source.text.contains(word), "\(source.name) has \(word)")
            }
            #expect(source.text.split(separator: "\n", omittingEmptySubsequences: false).count <= 400, "\(source.name)")
        }
    }

    @Test("Every setting has its line in the docs, and .env.example names no other")
    func settings() throws {
        let docs = try String(contentsOf: root.appending(path: "docs/settings.md"), encoding: .utf8)
        for setting in SettingKeys.all { #expect(docs.contains("| `\(setting.name)` |"), "\(setting.name)") }
        let names = Set(SettingKeys.all.map(\.name))
        let example = try String(contentsOf: root.appending(path: ".env.example"), encoding: .utf8)
        for match in example.matches(of: #/(?m)^#?([A-Z][A-Z_]+)=/#) { #expect(names.contains(String(match.1)), "\(match.1)") }
    }

    @Test("Every metric has its line in the docs, with the labels it carries")
    func metrics() throws {
        let docs = try String(contentsOf: root.appending(path: "docs/metrics.md"), encoding: .utf8)
        let made = #/(?:Counter|Timer|Meter|Gauge|Recorder)\(\s*label: "(\w+)", dimensions: \[(.*?)\]/#.dotMatchesNewlines()
        let own = #/gauge\("(\w+)"/#
        var names: [String: String] = [:]
        for source in try sources() {
            for match in source.text.matches(of: made) {
                let labels = match.2.matches(of: #/\("(\w+)",/#).map { "`\($0.1)`" }.joined(separator: ", ")
                names[String(match.1)] = labels
            }
            for match in source.text.matches(of: own) { names[String(match.1)] = "" }
        }
        #expect(names.count > 8)
        for (name, labels) in names { #expect(docs.contains("| `\(name)` | \(labels) |"), "| `\(name)` | \(labels) |") }
    }
}
