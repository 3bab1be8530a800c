import Crypto
import Foundation
import HTTPTypes
import ServiceKit
import Synchronization

/// What a client carries between the rounds of one call, sealed: AES-GCM with a key that this process alone has, bound to who calls, to
/// the tool and its exact arguments, short-lived, and good for one round (MCP 2026-07-28, “Multi Round-Trip Requests”).
public final class RequestStates: Sendable {
    /// What is sealed.
    struct Content: Codable, Equatable {
        let principal: String
        let method: String
        let digest: String
        let approval: String
        let expires: Date
        let nonce: String
    }

    /// Used states that are remembered until they would have expired anyway.
    private static let limit = 100_000

    private let key: SymmetricKey
    private let lifetime: TimeInterval
    private let clock: @Sendable () -> Date
    private let used = Mutex<[String: Date]>([:])

    /// - Parameter lifetime: seconds for which a state is good.
    public init(lifetime: TimeInterval = 300, clock: @escaping @Sendable () -> Date = { Date() }) {
        key = SymmetricKey(size: .bits256)
        self.lifetime = lifetime
        self.clock = clock
    }

    /// A state for the next round of a call.
    func seal(principal: String, method: String, digest: String, approval: String) throws -> String {
        let content = Content(
            principal: principal, method: method, digest: digest, approval: approval, expires: clock().addingTimeInterval(lifetime),
            nonce: RequestScope.makeID())
        guard let sealed = try AES.GCM.seal(JSONEncoder().encode(content), using: key).combined else {
            throw MCPError(MCPError.internalError, "The state of the request could not be sealed.", status: .internalServerError)
        }
        return sealed.base64EncodedString()
    }

    /// The approval that a state names, if the state is of this process, for this very call, and was not used before.
    ///
    /// - Throws: -32602, the same for every reason: a forger learns nothing from it.
    func redeem(_ state: String, principal: String, method: String, digest: String) throws -> String {
        let refusal = MCPError.invalidParams(
            "The requestState is not one of this call, was used before, or has expired; make the call again without it.")
        let now = clock()
        guard state.utf8.count <= 4_096, let data = Data(base64Encoded: state), let box = try? AES.GCM.SealedBox(combined: data),
            let opened = try? AES.GCM.open(box, using: key), let content = try? JSONDecoder().decode(Content.self, from: opened),
            content.principal == principal, content.method == method, content.digest == digest, content.expires > now
        else { throw refusal }
        let isFirst = used.withLock { used in
            if used.count >= Self.limit { used = used.filter { $0.value > now } }
            guard used.count < Self.limit, used[content.nonce] == nil else { return false }
            used[content.nonce] = content.expires
            return true
        }
        guard isFirst else { throw refusal }
        return content.approval
    }

    /// What a call is, in one word: SHA-256 of the tool and its arguments in one spelling.
    static func digest(_ tool: String, _ arguments: JSONValue) throws -> String {
        SHA256.hash(data: Data("\(tool)\n".utf8) + (try JSONEncoder.sorted.encode(arguments))).hex
    }
}
