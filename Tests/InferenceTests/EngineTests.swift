import Foundation
import Subprocess
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

@Suite("Finding an engine and running it safely")
struct EngineTests {
    private func engine(help: String) -> Engine { Engine(path: "/x/llama-server", origin: .path, build: 1, help: help, usesGPU: true) }

    private func arguments(_ use: EngineConfiguration.Use, help: String) -> [String] {
        EngineConfiguration(use: use, model: "/m.gguf", alias: "a", context: 256, batch: 512, threads: 0)
            .arguments(for: engine(help: help), port: 1, keyFile: "/k")
    }

    /// A program that answers as a llama-server of another build does.
    private func program(_ text: String, in folder: FilePath, mode: Int = 0o755) throws -> FilePath {
        let path = folder.appending("llama-server")
        try "#!/bin/sh\n\(text)\n".write(toFile: path.string, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path.string)
        return path
    }

    @Test("A build is given the tightening flags it knows, and none that it does not")
    func flags() {
        let older = "-m,    --model FNAME\n--api-key-file FNAME\n--no-webui   no page\n--metrics"
        #expect(arguments(.chat, help: older).contains("--no-webui"))
        for unknown in ["--no-ui", "--no-slots", "--cache-ram", "--cors-origins"] {
            #expect(!arguments(.chat, help: older).contains(unknown))
        }
        let newer = "--cache-ram N\n--slots, --no-slots\n--ui, --no-ui\n--cors-origins LIST"
        let given = arguments(.chat, help: newer)
        #expect(given.contains("--no-slots") && given.contains("--no-ui") && given.contains("--cors-origins"))
        #expect(given.firstIndex(of: "--cache-ram").map { given[$0 + 1] } == "0")
    }

    @Test(
        "An engine listens on the loopback interface behind a key, whatever the build",
        arguments: [EngineConfiguration.Use.chat, .embedding])
    func loopback(use: EngineConfiguration.Use) {
        let given = arguments(use, help: "")
        #expect(given.firstIndex(of: "--host").map { given[$0 + 1] } == "127.0.0.1")
        #expect(given.firstIndex(of: "--api-key-file").map { given[$0 + 1] } == "/k")
        #expect(given.firstIndex(of: "--threads").map { given[$0 + 1] } == "1")
        #expect(given.contains("--embeddings") == (use == .embedding))
    }

    @Test("Secrets and llama.cpp's own variables stay outside the engine")
    func environment() {
        let bounded = EngineEnvironment.bounded([
            "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "LLAMA_ARG_TOOLS": "all", "LLAMA_ARG_SLEEP_IDLE_SECONDS": "1",
            "HF_TOKEN": "secret",
            "OMP_WAIT_POLICY": "active",
        ])
        #expect(bounded == ["PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "OMP_WAIT_POLICY": "passive"])
    }

    @Test("What LLAMA_SERVER names is probed, and refused in words when it is no llama-server")
    func discovery() async throws {
        try await withScratchFolder { folder in
            let good = try program("echo 'version: 6123 (abc)' >&2; echo '--model FILE --api-key-file FILE'", in: folder)
            let settings = try await Settings.test(["LLAMA_SERVER": good.string], folder: folder)
            let found = try await EngineDiscovery(settings: settings).find()
            #expect(found.build == 6123 && found.origin == .setting && found.path == good)

            _ = try program("exit 1", in: folder)
            let useless = await #expect(throws: NoEngine.self) { try await EngineDiscovery(settings: settings).find() }
            #expect(useless?.description.contains(good.string) == true)

            _ = try program("exit 0", in: folder, mode: 0o644)
            let refused = await #expect(throws: NoEngine.self) { try await EngineDiscovery(settings: settings).existing() }
            #expect(refused?.description.contains("not an executable file") == true)
        }
    }

    @Test("A llama-server on PATH that is too old keeps nobody from the managed one, which is installed anew when it is broken")
    func fallback() async throws {
        try await withScratchFolder { folder in
            let old = try program("echo 'version: 1 (abc)'; echo '--model FILE'", in: folder)
            let settings = try await Settings.test(folder: folder)
            let discovery = EngineDiscovery(settings: settings, environment: .inherit.updating(["PATH": folder.string]))
            #expect(try await discovery.existing() == nil)
            let none = await #expect(throws: NoEngine.self) { try await discovery.find() }
            #expect(none?.description.contains(old.string) == true && none?.description.contains("maru engine install") == true)

            let installer = EngineInstaller(folder: settings.dataFolders.engine)
            let bin = settings.dataFolders.engine.appending("venv").appending("bin")
            let python = bin.appending("python3").string
            for path in [bin, installer.launcher.removingLastComponent()] {
                try FileManager.default.createDirectory(atPath: path.string, withIntermediateDirectories: true)
            }
            try "#!/bin/sh\necho 'version: 6123 --model FILE --api-key-file FILE'\n".write(
                toFile: python, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: python)
            try installer.writeLauncher()
            try installer.writeStamp()
            let managed = try await discovery.find()
            #expect(managed.origin == .managed && managed.passedOver?.contains(old.string) == true)

            let text = try String(contentsOfFile: installer.launcher.string, encoding: .utf8)
            try (text + "# of an older Maru\n").write(toFile: installer.launcher.string, atomically: true, encoding: .utf8)
            #expect(!installer.isInstalled)
            try await installer.install()
            #expect(installer.isInstalled)
            #expect(try String(contentsOfFile: python, encoding: .utf8).contains("6123"), "the package stays as it is")

            try "#!/bin/sh\nexit 1\n".write(toFile: python, atomically: true, encoding: .utf8)
            await #expect(throws: NoEngine.self) { try await discovery.existing() }
            installer.discard()
            #expect(!installer.isInstalled)
        }
    }

    @Test("Each advisory holds with each build, and says by what")
    func advisories() {
        for help in ["", "--cache-ram N"] {
            let all = EngineAdvisories.applying(to: engine(help: help))
            #expect(all.map(\.id) == ["CVE-2026-21869", "CVE-2026-43631", "ggml-org/llama.cpp#27148"])
            #expect(all.allSatisfy { $0.isMitigated && !$0.mitigation.isEmpty })
        }
    }

    @Test(
        "The launcher runs from folders with any name",
        arguments: ["plain", "with blank", #"q"uo$te`s"#, String(repeating: "long", count: 40)])
    func launcher(name: String) async throws {
        try await withScratchFolder { folder in
            let installer = EngineInstaller(folder: folder.appending(name))
            let bin = folder.appending(name).appending("venv").appending("bin")
            try FileManager.default.createDirectory(atPath: bin.string, withIntermediateDirectories: true)
            // In place of the venv's Python: says how it was called.
            let python = bin.appending("python3")
            try "#!/bin/sh\necho \"$0|$*\"\n".write(toFile: python.string, atomically: true, encoding: .utf8)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: python.string)
            try FileManager.default.createDirectory(
                atPath: installer.launcher.removingLastComponent().string, withIntermediateDirectories: true)
            try installer.writeLauncher()

            let output = Pipe()
            let process = Process()
            process.executableURL = URL(filePath: installer.launcher.string)
            process.arguments = ["--alias", "two words"]
            process.standardOutput = output
            try process.run()
            let told = try #require(try output.fileHandleForReading.readToEnd())
            #expect(String(decoding: told, as: UTF8.self) == "\(python)|\(installer.launcher) --alias two words\n")
        }
    }
}
