import Foundation
import HummingbirdTesting
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Tools

@Suite("System information")
struct SystemInformationTests {
    /// A service that says what a test has it say.
    private struct Saying: SuiteService {
        let id: ServiceID
        let word: Health.Status
        let errorShape = ErrorShape.detail
        var routes: [Route] { [] }
        func health() async -> Health { Health(word, reason: "/secret/path") }
    }

    @Test("Figures are those of the machine, services say how they are, and nothing else is told")
    func information() async throws {
        try await withScratchFolder { folder in
            let plain = try await Settings.test(folder: folder)
            try plain.dataFolders.create()
            try await withRunning(Saying(id: .rag, word: .ok), settings: plain) { rag in
                try await withRunning(Saying(id: .inferenceChat, word: .loading), settings: plain) { chat in
                    let unused = ["API_GATEWAY_PORT", "INFERENCE_CODE_PORT", "EMBEDDING_PORT", "QDRANT_PORT", "MCP_PORT"]
                    let ports = ["RAG_PORT": "\(rag.port ?? 0)", "INFERENCE_CHAT_PORT": "\(chat.port ?? 0)"]
                    let settings = try await Settings.test(
                        ports.merging(unused.map { ($0, "1") }) { own, _ in own }, folder: folder)
                    let tool = SystemInformation(settings: settings, clients: SuiteClients(settings: settings, key: "maru_service_secret"))
                    let arguments = try ToolArguments([:], for: try #require(ToolCatalogue["get_system_info"]))
                    var result = try await tool.run(arguments, ToolContext(caller: Caller(id: "a", role: .admin)))
                    // Services have a bounded time to answer, which a busy machine may not give them at once.
                    for _ in 0..<20 where !result.text.contains("inference-chat loading") || !result.text.contains("rag ok") {
                        result = try await tool.run(arguments, ToolContext(caller: Caller(id: "a", role: .admin)))
                    }
                    let facts = result.structured

                    #expect(facts["os"]?.stringValue?.isEmpty == false && ["x86_64", "arm64"].contains(facts["architecture"]?.stringValue))
                    #expect(facts["cpu_count"]?.intValue == ProcessInfo.processInfo.activeProcessorCount)
                    #expect(facts["load_average"]?.arrayValue?.count == 3)
                    for (part, whole) in [("memory_available_bytes", "memory_total_bytes"), ("disk_free_bytes", "disk_total_bytes")] {
                        #expect(try #require(facts[part]?.intValue) > 0)
                        #expect(try #require(facts[part]?.intValue) < (try #require(facts[whole]?.intValue)))
                    }
                    #expect(try #require(facts["uptime_seconds"]?.intValue) > 0 && facts["gpus"]?.arrayValue != nil)

                    let services = try #require(facts["services"]?.arrayValue)
                    let status = Dictionary(
                        uniqueKeysWithValues: services.map { ($0["name"]?.stringValue ?? "", $0["status"]?.stringValue ?? "") })
                    #expect(status["rag"] == "ok" && status["inference-chat"] == "loading" && status["mcp-server"] == "unreachable")
                    #expect(status.count == ServiceCatalogue.all.filter { $0.port != nil }.count)

                    let told = String(decoding: try JSONEncoder().encode(facts), as: UTF8.self) + result.text
                    for hidden in ["secret", folder.string, NSUserName() + "@", NSHomeDirectory() + "/", "127.0.0.1"] {
                        #expect(!told.contains(hidden), "\(hidden)")
                    }
                }
            }
        }
    }
}
