/// What programs that are started inherit of the environment: what they need to find their libraries, devices and the user's ways, and
/// nothing else. One list for services and engines, since an engine can inherit no more than its service had.
public enum InheritedEnvironment {
    private static let names: Set<String> = [
        "PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "OMP_NUM_THREADS",
        "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "SSL_CERT_FILE",
    ]
    /// Drivers and compute libraries.
    private static let prefixes = ["CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "GGML_", "VK_", "MTL_", "ONEAPI_", "SYCL_", "ZE_"]

    /// The part of an environment that is passed on.
    public static func bounded(_ environment: [String: String]) -> [String: String] {
        environment.filter { name, _ in names.contains(name) || prefixes.contains { name.hasPrefix($0) } }
    }
}
