import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SuiteAPI

/// `maru index`.
struct IndexCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Read documents in, so that they can be asked about.",
        discussion: "Markdown, text, code, HTML and PDF. Only what changed since the last time is read again; what is gone is removed.")

    @Argument(help: "A file or folder.") var path: String
    @Option(help: "The collection to put them in.") var collection: String?
    @Flag(help: "Print the result as JSON.") var json = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let absolute = URL(filePath: path, relativeTo: .currentDirectory()).standardizedFileURL.path(percentEncoded: false)
        guard FileManager.default.fileExists(atPath: absolute) else { throw CommandError("\(path) does not exist.") }
        let client = try await Session(given).clients.retrieval
        let result = try await reachable { try await client.index(IndexRequest(collection: collection, path: absolute)) }
        if json {
            print(String(decoding: try JSONEncoder.sorted.encode(result), as: UTF8.self))
        } else {
            print(
                "\(result.files) files, \(result.chunks) passages in “\(result.collection)”: \(result.indexed) read in, \(result.unchanged) unchanged, \(result.removed) removed, \(result.seconds.formatted(.number.precision(.fractionLength(1)))) s"
            )
            for failure in result.failed { print("❌ \(failure.file): \(failure.reason)") }
        }
        if !result.failed.isEmpty { throw ExitCode.failure }
    }
}
