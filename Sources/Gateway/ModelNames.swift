import NIOHTTP1
import ServiceKit
import SuiteAPI

/// What upstreams call their models themselves.
struct ModelNames: Sendable {
    let table: RouteTable

    /// Asks every upstream, and remembers what it says.
    ///
    /// - Returns: the names, each once.
    @discardableResult
    func learn() async -> Set<String> {
        await withTaskGroup(of: (Upstream, [String]?).self) { group in
            for upstream in table.upstreams {
                group.addTask {
                    let client = ServiceClient(name: upstream.name, baseURL: upstream.baseURL, key: upstream.key, timeout: .seconds(2))
                    let list: ModelList? = try? await client.send(.GET, "/v1/models")
                    return (upstream, list?.data.map(\.id))
                }
            }
            var names: Set<String> = []
            // One that does not answer has said nothing: it keeps the names it had.
            for await (upstream, told) in group {
                guard let told else { continue }
                table.learn(told, of: upstream)
                names.formUnion(told)
            }
            return names
        }
    }
}
