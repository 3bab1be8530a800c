import Suite

/// Whether a service can do its work, dependencies included.
public struct Health: Sendable, Codable {
    /// One thing the service needs.
    public struct Dependency: Sendable, Codable {
        public let status: String
        /// Why it is not healthy.
        public let error: String?

        public init(error: String? = nil) {
            status = error == nil ? "healthy" : "unhealthy"
            self.error = error
        }
    }

    /// `ok`, `loading` (will be ready by itself) or `degraded`.
    public enum Status: String, Sendable, Codable { case ok, loading, degraded }

    public var status: Status
    /// What the service waits for, or what is broken.
    public var reason: String?
    public var dependencies: [String: Dependency]
    /// Progress of loading, from 0 to 1.
    public var progress: Double?
    /// Facts of the service itself, for example a model's name.
    public var facts: [String: JSONValue]

    public init(
        _ status: Status = .ok, reason: String? = nil, dependencies: [String: Dependency] = [:], progress: Double? = nil,
        facts: [String: JSONValue] = [:]
    ) {
        self.status = status
        self.reason = reason
        self.dependencies = dependencies
        self.progress = progress
        self.facts = facts
    }

    /// Degraded when any dependency is.
    public init(dependencies: [String: Dependency], facts: [String: JSONValue] = [:]) {
        let broken = dependencies.filter { $0.value.error != nil }.keys.sorted()
        self.init(
            broken.isEmpty ? .ok : .degraded, reason: broken.isEmpty ? nil : "not reachable: " + broken.joined(separator: ", "),
            dependencies: dependencies, facts: facts)
    }
}
