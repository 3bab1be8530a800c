import Foundation
import Suite
import SystemPackage
import TestSupport
import Testing

@Suite("Settings")
struct SettingsTests {
    private func load(_ folder: FilePath, flags: [String: String] = [:], environment: [String: String] = [:], dotEnv: String? = nil)
        async throws
        -> Settings
    {
        if let dotEnv { try dotEnv.write(toFile: folder.appending(".env").string, atomically: true, encoding: .utf8) }
        return try await Settings.load(
            flags: flags, environment: environment.merging(["HOME": folder.string, "MARU_HOME": folder.string]) { own, _ in own })
    }

    @Test("Flags win over the environment, the environment over .env, .env over defaults")
    func precedence() async throws {
        try await withScratchFolder { folder in
            let text = "RAG_TOPK=5\nRAG_PORT=9002\nAPI_GATEWAY_PORT=9000\n"
            let settings = try await load(
                folder, flags: ["RAG_TOPK": "7"], environment: ["RAG_TOPK": "6", "RAG_PORT": "9102"], dotEnv: text)
            #expect(settings[SettingKeys.ragTopK] == 7)
            #expect(settings[SettingKeys.ragPort] == 9102)
            #expect(settings[SettingKeys.gatewayPort] == 9000)
            #expect(settings[SettingKeys.embeddingPort] == 8003)
            #expect(settings.resolved(SettingKeys.gatewayPort).source == .dotEnv)
        }
    }

    @Test("A folder that somebody works in does not choose settings: only MARU_ENV_FILE, MARU_HOME and the home folder do")
    func foreignFolder() async throws {
        try await withScratchFolder { folder in
            let foreign = folder.appending("cloned").string
            let home = folder.appending("home").appending(".maru").string
            for (path, value) in [(foreign, 9), (home, 5)] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                try "RAG_TOPK=\(value)\n".write(toFile: path + "/.env", atomically: true, encoding: .utf8)
            }
            let environment = ["HOME": folder.appending("home").string]
            let own = try await Settings.load(environment: environment, workingDirectory: foreign)
            #expect(own[SettingKeys.ragTopK] == 5 && own.home.string == home)
            let named = try await Settings.load(
                environment: environment.merging(["MARU_ENV_FILE": ".env"]) { own, _ in own }, workingDirectory: foreign)
            #expect(named[SettingKeys.ragTopK] == 9 && named.home.string == foreign)
        }
    }

    @Test("An IPv6 address stands in brackets where a service is reached")
    func addresses() async throws {
        try await withScratchFolder { folder in
            let settings = try await load(folder, environment: ["HOST": "::1"])
            #expect(settings.baseURL(of: .gateway) == "http://[::1]:8000")
            #expect(try await load(folder).baseURL(of: .gateway) == "http://127.0.0.1:8000")
        }
    }

    @Test("A bad value is refused with setting, value and what is allowed; all of them at once")
    func refusal() async throws {
        try await withScratchFolder { folder in
            let error = await #expect(throws: InvalidSettings.self) {
                try await load(folder, environment: ["RAG_TOPK": "many", "API_GATEWAY_PORT": "99999"])
            }
            let text = error?.description ?? ""
            for part in ["RAG_TOPK", "many", "1 to 100", "API_GATEWAY_PORT", "99999"] { #expect(text.contains(part)) }
        }
    }

    @Test("A variable that is set but empty counts as not set")
    func empty() async throws {
        try await withScratchFolder { folder in
            let settings = try await load(folder, environment: ["RAG_TOPK": ""])
            #expect(settings[SettingKeys.ragTopK] == 4)
        }
    }

    @Test("weakness_20_every_service_binds_loopback_unless_keys_are_demanded")
    func weakness_20_wildcardBind() async throws {
        try await withScratchFolder { folder in
            let settings = try await load(folder)
            #expect(settings[SettingKeys.host] == "127.0.0.1")
            let everywhere = "0.0.0.0"
            await #expect(throws: InvalidSettings.self) { try await load(folder, environment: ["HOST": everywhere]) }
            let production = try await load(folder, environment: ["HOST": everywhere, "SECURITY_MODE": "production"])
            #expect(production[SettingKeys.host] == everywhere)
        }
    }

    @Test("Data lies beside the .env in force, and in the home folder without one")
    func dataFolder() async throws {
        try await withScratchFolder { folder in
            let without = try await load(folder)
            #expect(without.dataFolders.root == folder.appending(".maru"))
            let beside = try await load(folder, dotEnv: "LOG_LEVEL=info")
            #expect(beside.dataFolders.root == folder.appending("data"))
        }
    }

    @Test("The catalogue is consistent: ports differ, dependencies come first")
    func catalogue() {
        let ports = ServiceCatalogue.all.compactMap { $0.port?.defaultValue }
        #expect(Set(ports).count == ports.count)
        for (index, service) in ServiceCatalogue.all.enumerated() {
            let before = ServiceCatalogue.all[..<index].map(\.id)
            #expect(service.dependencies.allSatisfy(before.contains), "\(service.id)")
        }
    }
}
