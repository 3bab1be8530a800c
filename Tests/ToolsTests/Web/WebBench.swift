import Foundation
import Logging
import NIOCore
import NIOPosix
import ServiceKit
import Suite
import SuiteAPI
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import Tools

/// A web server on a free port of the loopback interface that answers by path and counts who came.
final class LocalWeb: Sendable {
    /// What is answered: everything after the connection was made, as it is.
    typealias Pages = @Sendable (_ path: String, _ port: Int) -> String

    private let server: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>
    let port: Int
    private let asked = Mutex<[String]>([])
    private let connections = Atomic(0)

    /// The paths that were asked for, in order.
    var paths: [String] { asked.withLock { $0 } }
    var connectionCount: Int { connections.load(ordering: .relaxed) }

    private init() async throws {
        server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup).bind(host: "127.0.0.1", port: 0) { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
        }
        port = try #require(server.channel.localAddress?.port)
    }

    /// Serves while some work is done.
    static func with<Value: Sendable>(
        _ pages: @escaping Pages = { _, _ in html("") }, _ body: @escaping @Sendable (LocalWeb) async throws -> Value
    ) async throws -> Value {
        let web = try await LocalWeb()
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask {
                try await web.run(pages)
                return nil
            }
            group.addTask { try await body(web) }
            defer { group.cancelAll() }
            while let value = try await group.next() { if let value { return value } }
            throw CancellationError()
        }
    }

    private func run(_ pages: @escaping Pages) async throws {
        try await server.executeThenClose { clients in
            try await withThrowingDiscardingTaskGroup { group in
                for try await client in clients {
                    connections.add(1, ordering: .relaxed)
                    group.addTask { try? await self.serve(client, pages) }
                }
            }
        }
    }

    private func serve(_ client: NIOAsyncChannel<ByteBuffer, ByteBuffer>, _ pages: Pages) async throws {
        try await client.executeThenClose { inbound, outbound in
            var head = ""
            for try await part in inbound {
                head += String(buffer: part)
                guard head.contains("\r\n\r\n") else { continue }
                let path = head.split(separator: " ").dropFirst().first.map(String.init) ?? ""
                asked.withLock { $0.append(path) }
                switch pages(path, port) {
                case "never": try await Task.sleep(for: .seconds(60))
                case "endless":
                    try await outbound.write(ByteBuffer(string: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"))
                    let part = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1 << 16)
                    while true { try await outbound.write(part) }
                case let answer: try await outbound.write(ByteBuffer(string: answer))
                }
                return
            }
        }
    }
}

/// A page, as a server answers it.
func html(_ body: String, title: String = "시험", status: String = "200 OK", fields: [String] = []) -> String {
    let page = "<!doctype html><html lang=ko><meta charset=utf-8><title>\(title)</title>\(body)</html>"
    let head = ["HTTP/1.1 \(status)", "Content-Type: text/html; charset=utf-8", "Content-Length: \(page.utf8.count)", "Connection: close"]
    return (head + fields).joined(separator: "\r\n") + "\r\n\r\n" + page
}

/// An answer that leads elsewhere.
func redirect(to url: String) -> String { "HTTP/1.1 302 Found\r\nLocation: \(url)\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" }

/// Calls of web tools, with the real browser, against servers on this machine.
struct WebBench: Sendable {
    let pages: WebPages

    static func with<Value: Sendable>(
        allowing places: [Int], _ values: [String: String] = [:], _ body: @escaping @Sendable (WebBench) async throws -> Value
    ) async throws -> Value {
        try await withScratchFolder { folder in
            let hosts = places.map { "127.0.0.1:\($0)" }.joined(separator: ",")
            let settings = try await Settings.test(["WEB_ALLOWED_HOSTS": hosts].merging(values) { $1 }, folder: folder)
            return try await body(WebBench(pages: try await WebPages(settings: settings, logger: Logger(label: "test"))))
        }
    }

    func call(_ name: String, _ arguments: JSONValue) async throws -> ToolResult {
        let tool = try #require(WebTools.all(pages).first { $0.name == name })
        let checked = try ToolArguments(arguments, for: try #require(ToolCatalogue[name]))
        return try await tool.run(checked, ToolContext(caller: Caller(id: "a", role: .admin)))
    }

    func scrape(_ url: String, _ selector: String = "p", attribute: String = "textContent") async throws -> [String] {
        let result = try await call("web_scrape", ["url": .string(url), "selector": .string(selector), "attribute": .string(attribute)])
        return result.structured["data"]?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    /// The error that a call ends with.
    func refusal(
        _ name: String, _ arguments: JSONValue, _ location: SourceLocation = #_sourceLocation
    ) async throws -> ServiceError {
        let error = await #expect(throws: ServiceError.self, sourceLocation: location) { try await call(name, arguments) }
        return try #require(error)
    }
}

/// What is left of browsers that this process started: living processes, and folders.
enum BrowserRemains {
    static var folders: [String] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: NSTemporaryDirectory())) ?? []
        return all.filter { $0.hasPrefix("maru-web-\(getpid())-") }
    }

    /// Holds that nothing is left. What was killed takes the kernel a moment.
    static func vanish(_ location: SourceLocation = #_sourceLocation) async throws {
        for _ in 0..<200 where !(folders.isEmpty && processes.isEmpty) { try await Task.sleep(for: .milliseconds(50)) }
        #expect(folders.isEmpty && processes.isEmpty, sourceLocation: location)
    }

    /// Processes work in the folder of their profile, whatever they do to their names.
    static var processes: [String] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return all.filter { entry in
            guard Int32(entry) != nil, let folder = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(entry)/cwd") else {
                return false
            }
            return folder.contains("/maru-web-\(getpid())-")
        }
    }
}
