import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceKit
import Suite
import Supervision

/// Who has a port.
enum PortUse: Sendable {
    case free
    /// A service of this suite answers there.
    case ours
    /// Something else, named as well as the machine lets us.
    case foreign(String)

    /// Looks at a port of this machine.
    ///
    /// - Parameter owner: the service that belongs there.
    static func of(_ port: Int, host: String, expecting owner: String) async -> PortUse {
        guard await isOpen(port, host: host) else { return .free }
        let client = ServiceClient(name: owner, baseURL: "http://\(host):\(port)", timeout: .seconds(3))
        if let told = try? await health(client), told == owner { return .ours }
        return .foreign(await PortHolder.name(of: port) ?? "another program")
    }

    /// The name by which a service introduces itself, ready or not.
    private static func health(_ client: ServiceClient) async throws -> String? {
        do {
            let answer: JSONValue = try await client.send(.GET, "/livez")
            return answer["service"]?.stringValue
        } catch let error as UpstreamError where error.status != nil {
            return nil
        }
    }

    private static func isOpen(_ port: Int, host: String) async -> Bool {
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connectTimeout(.seconds(1))
                .connect(host: host, port: port).get()
            try? await channel.close()
            return true
        } catch {
            return false
        }
    }
}
