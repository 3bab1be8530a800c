import SystemPackage

/// An engine that comes as Python packages: what they are, and the program that runs them.
public struct ManagedEngine: Sendable {
    /// The file to run.
    let program: String
    /// The packages, pinned and complete, as pip reads them.
    let packages: String
    /// What is downloaded, for people who wait.
    public let downloadSize: String
    /// Why the packages may not be had.
    let hint: String
    /// The program, without the line that names its Python.
    let launcher: String
    /// What the program imports, beside it.
    let modules: [(file: String, text: String)]
    /// The module that needs the packages: one that can be imported works.
    let module: String

    private static let common = (file: "engine_process.py", text: String(decoding: PackageResources.engine_process_py, as: UTF8.self))
}

extension ManagedEngine {
    /// llama.cpp's server, as the package `xllamacpp` carries it. The last part of the release is llama.cpp's build number.
    public static let llamaServer = ManagedEngine(
        program: "llama-server", packages: "xllamacpp==2026.10.11549", downloadSize: "34 MB",
        hint: "The package index must be reachable.",
        launcher: String(decoding: PackageResources.llama_server_py, as: UTF8.self), modules: [common], module: "xllamacpp")

    /// ONNX Runtime, for embedding models on the CPU: several times as fast there as llama.cpp (Benchmarks/embedding).
    public static let encoder = ManagedEngine(
        program: "onnx-encoder", packages: pinned(PackageResources.encoder_requirements_txt),
        downloadSize: "55 MB",
        hint: "The package index must be reachable, and Python be 3.11 or newer.",
        launcher: String(decoding: PackageResources.onnx_encoder_py, as: UTF8.self),
        modules: [common, (file: "encoder.py", text: String(decoding: PackageResources.encoder_py, as: UTF8.self))], module: "encoder")

    /// The packages of a list, without its comments: other words are no reason to install anew.
    private static func pinned(_ requirements: [UInt8]) -> String {
        String(decoding: requirements, as: UTF8.self).split(separator: "\n").filter { $0.contains("==") }.joined(separator: "\n")
    }

    /// What is installed, in words: the first package, which the others are there for.
    public var description: String { packages.split(separator: "\n").first.map(String.init) ?? program }
}
