import Foundation
import ServiceKit
import Subprocess
import Synchronization
import SystemPackage

/// A browser that lives as long as some work with it.
enum BrowserProcess {
    /// Chromium reads commands from descriptor 3 and answers on 4 (`--remote-debugging-pipe`): no port that somebody else could find. A shell
    /// puts the pipes there and becomes the browser.
    private static let script = #"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#

    /// Starts a browser, works with it, and kills it with all that it started, whatever happens.
    ///
    /// - Throws: ``BrowserGone`` when it ends by itself; whatever the work throws.
    static func run<Value: Sendable>(
        _ program: BrowserProgram, _ arguments: [String], in folder: FilePath,
        _ work: @escaping @Sendable (DevTools) async throws -> Value
    ) async throws -> Value {
        BrokenPipes.failInsteadOfEnding()
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(10))]
        let environment = BrowserProgram.environment(home: folder.string)
        let result = try await Subprocess.run(
            .path("/bin/sh"), arguments: Arguments(["-c", script, program.path] + arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (.init(stringLiteral: $0), $1) })),
            workingDirectory: folder, platformOptions: options, input: .inputWriter, output: .sequence, error: .sequence
        ) { browser in
            let devTools = DevTools()
            let lastWords = LastWords()
            return try await withThrowingTaskGroup(of: Value?.self) { group in
                defer {
                    group.cancelAll()
                    try? browser.send(signal: .kill, toProcessGroup: true)
                }
                group.addTask {
                    for await message in devTools.outgoing {
                        // Who does not read any more has ended; who reads its output tells of it.
                        guard (try? await browser.standardInputWriter.write(Array(message))) != nil else { break }
                    }
                    return nil
                }
                group.addTask {
                    try await Self.read(browser.standardOutput, devTools)
                    // What it said of its end may still be on its way.
                    try await Task.sleep(for: .milliseconds(100))
                    throw BrowserGone(lastWords: lastWords.text.withLock { $0 })
                }
                group.addTask {
                    for try await part in browser.standardError {
                        let text = part.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                        lastWords.text.withLock { $0 = String(($0 + text).suffix(2_000)) }
                    }
                    return nil
                }
                group.addTask {
                    do {
                        return try await work(devTools)
                    } catch is BrowserGone {
                        // Who reads its output knows more of the end.
                        try await Task.sleep(for: .seconds(1))
                        throw BrowserGone(lastWords: lastWords.text.withLock { $0 })
                    }
                }
                while let value = try await group.next() {
                    if let value { return value }
                }
                throw BrowserGone()
            }
        }
        return result.closureResult
    }

    private static func read(_ output: SubprocessOutputSequence, _ devTools: DevTools) async throws {
        defer { devTools.close() }
        var message = Data()
        for try await part in output {
            part.withUnsafeBytes { bytes in
                var rest = bytes[...]
                while let end = rest.firstIndex(of: 0) {
                    message.append(contentsOf: rest[..<end])
                    devTools.received(message)
                    message = Data()
                    rest = rest[(end + 1)...]
                }
                message.append(contentsOf: rest)
            }
            guard message.count <= DevTools.maxBytes else {
                throw ServiceError.tooLarge("What the page answers is larger than \(DevTools.maxBytes) bytes, and was given up.")
            }
        }
    }
}

/// What a browser wrote to its standard error, the end of it.
private final class LastWords: Sendable {
    let text = Mutex("")
}
