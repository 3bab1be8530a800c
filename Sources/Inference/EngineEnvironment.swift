import ServiceKit

/// The environment an engine runs in: what it needs to find its libraries and devices, and nothing else.
///
/// llama-server takes any of its flags from variables named `LLAMA_ARG_…`, built-in tools and sleeping when idle among them, so what
/// happens to be set where the stack was started must not reach it; nor must keys and passwords that are meant for others.
enum EngineEnvironment {
    /// The part of an environment that an engine is given.
    static func bounded(_ environment: [String: String]) -> [String: String] {
        var kept = InheritedEnvironment.bounded(environment)
        // Worker threads that spin while they wait starve the machine when models share its cores.
        kept["OMP_WAIT_POLICY"] = "passive"
        return kept
    }
}
