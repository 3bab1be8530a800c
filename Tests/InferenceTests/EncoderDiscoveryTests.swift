import Foundation
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

@Suite("Which engine embeds")
struct EncoderDiscoveryTests {
    private let llama = Engine(path: "/x/llama-server", origin: .path, build: 1, help: "", usesGPU: false)

    private func header(architecture: String = "bert", tokenizer: String = "t5") throws -> GGUFHeader {
        let data = GGUFHeaderTests.file([("general.architecture", .text(architecture)), ("tokenizer.ggml.model", .text(tokenizer))])
        return try GGUFHeader(head: data, fileSize: Int64(data.count))
    }

    /// A managed encoder whose Python answers as the real one's does.
    private func install(in settings: Settings) throws {
        let folder = settings.dataFolders.engine.appending("encoder")
        let installer = EngineInstaller(.encoder, folder: folder)
        let python = folder.appending("venv").appending("bin").appending("python3")
        for path in [python, installer.launcher] {
            try FileManager.default.createDirectory(
                atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
        }
        try "#!/bin/sh\necho 'onnxruntime 1 --model FILE --api-key-file FILE'\n".write(
            toFile: python.string, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: python.string)
        try installer.writeLauncher()
        try installer.writeStamp()
    }

    @Test("The managed encoder, where it is installed, knows the model, and no GPU is used; else llama-server")
    func managed() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let discovery = EngineDiscovery(settings: settings)
            func found(_ header: GGUFHeader, gpuLayers: Int = 0) async throws -> Engine {
                try await discovery.find(toEmbedWith: header, gpuLayers: gpuLayers, else: llama)
            }
            #expect(try await found(header()).path == llama.path)
            try install(in: settings)
            let encoder = try await found(header())
            #expect(encoder.path.lastComponent?.string == "onnx-encoder" && encoder.origin == .managed && !encoder.usesGPU)
            #expect(try await found(header(), gpuLayers: 1).path == llama.path)
            #expect(try await found(header(architecture: "nomic-bert")).path == llama.path)
            #expect(try await found(header(tokenizer: "bert")).path == llama.path)

            let other = try await Settings.test(["EMBEDDING_ENGINE": "llama-server"], folder: folder)
            let engine = try await EngineDiscovery(settings: other).find(toEmbedWith: header(), gpuLayers: 0, else: llama)
            #expect(engine.path == llama.path)
        }
    }

    @Test("What EMBEDDING_ENGINE names is run, or refused by its name")
    func named() async throws {
        try await withScratchFolder { folder in
            try install(in: try await Settings.test(folder: folder))
            let program = try await Settings.test(folder: folder).dataFolders.engine.appending("encoder/bin/onnx-encoder")
            let named = try await Settings.test(["EMBEDDING_ENGINE": program.string], folder: folder)
            let engine = try await EngineDiscovery(settings: named).find(toEmbedWith: header(), gpuLayers: 0, else: llama)
            #expect(engine.path == program && engine.origin == .embeddingSetting)

            let missing = try await Settings.test(["EMBEDDING_ENGINE": "/nowhere/encoder"], folder: folder)
            let error = await #expect(throws: NoEngine.self) {
                try await EngineDiscovery(settings: missing).find(toEmbedWith: header(), gpuLayers: 0, else: llama)
            }
            #expect(error?.description.contains("EMBEDDING_ENGINE is /nowhere/encoder") == true)
        }
    }
}
