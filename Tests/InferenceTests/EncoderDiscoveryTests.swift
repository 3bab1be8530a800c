import Foundation
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Inference

@Suite("Which engine embeds")
struct EncoderDiscoveryTests {
    private let llama = Engine(path: "/x/llama-server", origin: .path, build: 1, help: "", usesGPU: false)

    private func header(
        architecture: String = "bert", tokenizer: String = "t5", width: UInt32 = 8, without missing: String? = nil
    ) throws -> GGUFHeader {
        let parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down", "attn_output_norm", "layer_output_norm"]
        let names =
            ["token_embd.weight", "position_embd.weight", "token_types.weight"]
            + (["token_embd_norm"] + (0..<2).flatMap { layer in parts.map { "blk.\(layer).\($0)" } }).flatMap {
                ["\($0).weight", "\($0).bias"]
            }
        let data = GGUFHeaderTests.file(
            [
                ("general.architecture", .text(architecture)), ("tokenizer.ggml.model", .text(tokenizer)),
                ("\(architecture).block_count", .number(2)), ("\(architecture).embedding_length", .number(width)),
                ("\(architecture).feed_forward_length", .number(4 * width)), ("\(architecture).attention.causal", .flag(false)),
            ], tensors: names.filter { $0 != missing })
        return try GGUFHeader(head: data, fileSize: Int64(data.count))
    }

    /// A managed encoder whose Python answers as the real one's does.
    private func install(in settings: Settings, answer: String = "echo 'onnxruntime 1 --model FILE --api-key-file FILE'") throws {
        let folder = settings.dataFolders.engine.appending("encoder")
        let installer = EngineInstaller(.encoder, folder: folder)
        let python = folder.appending("venv").appending("bin").appending("python3")
        for path in [python, installer.launcher] {
            try FileManager.default.createDirectory(
                atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
        }
        try "#!/bin/sh\n\(answer)\n".write(toFile: python.string, atomically: true, encoding: .utf8)
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
            #expect(try await found(header(width: 4_096)).path == llama.path)
            #expect(try await found(header(without: "blk.1.attn_k.bias")).path == llama.path)

            let other = try await Settings.test(["EMBEDDING_ENGINE": "llama-server"], folder: folder)
            let engine = try await EngineDiscovery(settings: other).find(toEmbedWith: header(), gpuLayers: 0, else: llama)
            #expect(engine.path == llama.path)

            try install(in: settings, answer: "echo broken; exit 1")
            let fallback = try await found(header())
            #expect(fallback.path == llama.path && fallback.passedOver?.contains("onnx-encoder") == true)
            await #expect(throws: NoEngine.self) { try await discovery.existingEncoder() }
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
