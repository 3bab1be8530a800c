/// A known weakness of llama-server, and what is done here so that it cannot be used.
public struct EngineAdvisory: Sendable, CustomStringConvertible {
    public let id: String
    public let weakness: String
    /// What is done about it, or why it does not apply to the engine at hand.
    public let mitigation: String
    /// Whether that holds with the engine at hand.
    public let isMitigated: Bool

    public var description: String { "\(id): \(weakness). \(isMitigated ? mitigation : "Not mitigated")." }
}

/// The advisories this suite knows of. None names a build that is free of it for certain, so each is mitigated whatever the build.
public enum EngineAdvisories {
    /// The advisories as they stand with an engine.
    public static func applying(to engine: Engine) -> [EngineAdvisory] {
        [
            EngineAdvisory(
                id: "CVE-2026-21869", weakness: "the request field n_discard overflows a heap",
                mitigation: "Request fields are allow-listed before they reach the engine",
                isMitigated: !RequestFields.completion.contains("n_discard")),
            EngineAdvisory(
                id: "CVE-2026-43631", weakness: "sleeping when idle can use freed memory",
                mitigation: "Sleeping when idle is never switched on",
                isMitigated: true),
            // The cache came with its flag: a build that does not know the flag has no such cache.
            EngineAdvisory(
                id: "ggml-org/llama.cpp#27148", weakness: "the prompt cache in RAM can restore another conversation's text",
                mitigation: engine.knows("--cache-ram") ? "The engine runs with --cache-ram 0" : "This build has no such cache",
                isMitigated: true),
        ]
    }
}
