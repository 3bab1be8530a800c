/// The environment an engine runs in: what it needs to find its libraries and devices, and nothing else.
///
/// llama-server takes any of its flags from variables named `LLAMA_ARG_…`, built-in tools and sleeping when idle among them, so what
/// happens to be set where the stack was started must not reach it; nor must keys and passwords that are meant for others.
enum EngineEnvironment {
    private static let names: Set<String> = [
        "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_NUM_THREADS",
        "XDG_RUNTIME_DIR", "XDG_CACHE_HOME",
    ]
    /// Drivers and compute libraries.
    private static let prefixes = ["CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "GGML_", "VK_", "MTL_", "ONEAPI_", "SYCL_", "ZE_"]

    /// The part of an environment that an engine is given.
    static func bounded(_ environment: [String: String]) -> [String: String] {
        var kept = environment.filter { name, _ in names.contains(name) || prefixes.contains { name.hasPrefix($0) } }
        // Worker threads that spin while they wait starve the machine when models share its cores.
        kept["OMP_WAIT_POLICY"] = "passive"
        return kept
    }
}
