/// What the suite knows of one service: everything that supervisor, health checks, metrics configuration and docs derive from.
public struct ServiceDescriptor: Sendable {
    /// The service's name.
    public let id: ServiceID
    /// One line for people.
    public let title: String
    /// The setting that holds its port; `nil` for a service that listens nowhere, and tells of itself by a heartbeat.
    public let port: Setting<Int>?
    /// The settings that hold ports it listens on besides.
    public let furtherPorts: [Setting<Int>]
    /// Answers 200 when the service and what it depends on can serve.
    public let healthPath: String
    /// What Prometheus scrapes.
    public let metricsPath: String
    /// Services that this one calls: it starts once they answer, and is stopped before they are.
    public let dependencies: [ServiceID]
    /// Services that it calls where they run, without waiting for them: it is stopped before they are.
    public let optionalDependencies: [ServiceID]
    /// The smallest profile that contains the service.
    public let profile: Profile
    /// How long a start may take until it counts as failed. Models load for minutes on slow disks.
    public let startTimeout: Duration
    /// How long a stop may take until the process is killed: ten seconds for what runs, the rest for breaking it off.
    public let gracePeriod: Duration

    /// Every port it listens on.
    public var ports: [Setting<Int>] { (port.map { [$0] } ?? []) + furtherPorts }
}

/// The one list of services; in start order.
public enum ServiceCatalogue {
    public static let all: [ServiceDescriptor] = [
        service(.inferenceChat, "chat model (llama.cpp)", SettingKeys.inferenceChatPort, profile: .p1, start: .seconds(300)),
        service(.inferenceCode, "code model (llama.cpp)", SettingKeys.inferenceCodePort, profile: .p2, start: .seconds(300)),
        service(.embedding, "multilingual embeddings", SettingKeys.embeddingPort, profile: .p2, start: .seconds(120)),
        service(.qdrant, "vector store, Qdrant's REST surface", SettingKeys.qdrantPort, profile: .p2),
        service(
            .gateway, "OpenAI-compatible gateway", SettingKeys.gatewayPort, after: [.inferenceChat, .inferenceCode],
            // The last turn of a chat is kept after it was answered.
            with: [.memoryAPI], profile: .p1),
        service(
            .rag, "retrieval over your documents, with citations", SettingKeys.ragPort, after: [.qdrant, .embedding, .gateway], profile: .p2
        ),
        service(
            .mcpServer, "tools, approvals, MCP", SettingKeys.mcpPort, and: [SettingKeys.mcpSecurityPort],
            after: [.gateway, .rag, .embedding], profile: .p3),
        service(
            .memoryAPI, "long-term memory", SettingKeys.memoryPort, health: "/v1/memory/health", after: [.qdrant, .embedding], profile: .p3),
        service(.memoryMaintainer, "memory expiry, sync and backup", nil, after: [.memoryAPI], profile: .p3),
    ]

    /// The services of a profile, in start order.
    public static func services(of profile: Profile) -> [ServiceDescriptor] { all.filter { $0.profile <= profile } }

    public static subscript(id: ServiceID) -> ServiceDescriptor {
        guard let found = all.first(where: { $0.id == id }) else { preconditionFailure("\(id) is missing from the catalogue") }
        return found
    }

    /// The order in which running services are stopped: each wave holds those that none of the remaining ones is said to call.
    public static func stopWaves(_ running: [ServiceDescriptor]) -> [Set<ServiceID>] {
        var remaining = running
        var waves: [Set<ServiceID>] = []
        while !remaining.isEmpty {
            let needed = Set(remaining.flatMap { $0.dependencies + $0.optionalDependencies })
            let wave = Set(remaining.map(\.id).filter { !needed.contains($0) })
            precondition(!wave.isEmpty, "services depend on one another in a circle")
            waves.append(wave)
            remaining.removeAll { wave.contains($0.id) }
        }
        return waves
    }

    /// How long a service may take until it is ready, counted from the start of the stack: its own time after that of what it calls.
    public static func readyTimeout(of service: ServiceDescriptor) -> Duration {
        service.startTimeout + (service.dependencies.map { readyTimeout(of: self[$0]) }.max() ?? .zero)
    }

    private static func service(
        _ id: ServiceID, _ title: String, _ port: Setting<Int>?, and furtherPorts: [Setting<Int>] = [], health: String = "/health",
        after dependencies: [ServiceID] = [], with optionalDependencies: [ServiceID] = [], profile: Profile, start: Duration = .seconds(30)
    ) -> ServiceDescriptor {
        ServiceDescriptor(
            id: id, title: title, port: port, furtherPorts: furtherPorts, healthPath: health, metricsPath: "/metrics",
            dependencies: dependencies, optionalDependencies: optionalDependencies, profile: profile, startTimeout: start,
            gracePeriod: .seconds(15))
    }
}

extension Settings {
    /// Where a service of this suite is reached, for example `http://127.0.0.1:8000`.
    ///
    /// - Precondition: the service listens on a port.
    public func baseURL(of id: ServiceID) -> String {
        guard let port = ServiceCatalogue[id].port else { preconditionFailure("\(id) listens on no port") }
        return "http://\(hostInURL):\(self[port])"
    }

    /// `HOST` as it stands in an address: an IPv6 literal is bracketed (RFC 3986 §3.2.2).
    public var hostInURL: String {
        let host = self[SettingKeys.host]
        return host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    }
}
