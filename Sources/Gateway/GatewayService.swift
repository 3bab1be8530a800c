import Logging
import NIOHTTP1
import ServiceKit
import ServiceLifecycle
import Suite
import SuiteAPI

/// The one door to the models: OpenAI's surface, aliases, failover.
public struct GatewayService: SuiteService {
    public let id = ServiceID.gateway
    public let errorShape = ErrorShape.openAI
    let table: RouteTable
    let completion: Completion
    let embedding: Upstream
    let relay: Relay
    private let keeper: TurnKeeper

    /// - Parameter key: the key with which services call one another.
    public init(settings: Settings, key: String, logger: Logger) {
        func upstream(_ id: ServiceID) -> Upstream { Upstream(name: id.rawValue, baseURL: settings.baseURL(of: id), key: key) }
        let chat = upstream(.inferenceChat)
        let code = upstream(.inferenceCode)
        self.init(
            aliases: [(settings[SettingKeys.chatAlias], [chat, code]), (settings[SettingKeys.codeAlias], [code, chat])],
            embedding: upstream(.embedding), settings: settings, key: key, logger: logger)
    }

    /// - Parameters:
    ///   - recallLimit: how long a chat waits for memory.
    ///   - saveLimit: how long a turn may take to be kept.
    ///   - pauses: between tries to have a turn kept.
    init(
        aliases: [(name: String, upstreams: [Upstream])], embedding: Upstream, settings: Settings, key: String,
        recallLimit: Duration = .seconds(2), saveLimit: Duration = .seconds(5), pauses: [Duration] = TurnKeeper.pauses, logger: Logger
    ) {
        // Memory is asked for where a chat wants it, and its being away stops no chat: the gateway does not depend on it.
        func memory(_ limit: Duration) -> MemoryClient {
            MemoryClient(SuiteClients(settings: settings, key: key).client(.memoryAPI, timeout: limit))
        }
        keeper = TurnKeeper(client: memory(saveLimit * 2), limit: saveLimit, pauses: pauses, logger: logger)
        table = RouteTable(aliases: aliases)
        relay = Relay(name: id.rawValue, http: .relaying(settings))
        completion = Completion(
            table: table, relay: relay,
            limits: .init(
                streamed: .seconds(settings[SettingKeys.llmRequestTimeout]), whole: .seconds(settings[SettingKeys.requestTimeout])),
            memory: ChatMemory(client: memory(recallLimit), keeper: keeper, budget: settings[SettingKeys.memoryRecallChars]))
        self.embedding = embedding
    }

    public var routes: [Route] { GatewayRoutes(service: self).all }

    public var companions: [any Service] { [keeper] }

    /// Ready when any model can answer. Nothing is generated to find out.
    public func health() async -> Health {
        let found = await withTaskGroup(of: (String, Health.Dependency).self) { group in
            for upstream in table.upstreams {
                group.addTask {
                    let client = ServiceClient(name: upstream.name, baseURL: upstream.baseURL, timeout: .seconds(2))
                    do {
                        _ = try await client.bytes(.GET, "/health")
                        return (upstream.name, Health.Dependency())
                    } catch {
                        return (upstream.name, Health.Dependency(error: "\(error)"))
                    }
                }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let isUsable = found.values.contains { $0.error == nil }
        return Health(isUsable ? .ok : .degraded, reason: isUsable ? nil : "no model is ready", dependencies: found)
    }

    /// The names that can be asked for: aliases, the embedding model, and what the upstreams call their models themselves.
    func models() async -> [String] {
        let real = await ModelNames(table: table).learn()
        let known = table.names + ["embedding"]
        return known + real.subtracting(known).sorted()
    }
}
