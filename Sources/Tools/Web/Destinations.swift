import HTTPTypes
import ServiceKit

/// Where the browser of one call may connect to. A name is resolved once in a call, and what was judged is what is connected to: an answer
/// that changes afterwards (DNS rebinding) is never seen.
actor Destinations {
    /// Places that one page may ask for.
    private static let limit = 256

    private let policy: WebPolicy
    private var verdicts: [HostPort: Task<[IPAddress], any Error>] = [:]
    /// Why a place could not be reached or was not allowed, for who asks about it later.
    private(set) var failures: [HostPort: ServiceError] = [:]
    /// Places that parts of the page asked for and were refused, in the order of asking.
    private(set) var refused: [HostPort] = []

    init(_ policy: WebPolicy) { self.policy = policy }

    /// The addresses that may be connected to.
    ///
    /// - Throws: 403 `url_blocked`, 502 where the name has no address.
    func addresses(of place: HostPort) async throws -> [IPAddress] {
        // Names are looked up by the system, a few at a time for everybody.
        guard verdicts[place] != nil || verdicts.count < Self.limit else {
            throw WebPolicy.blocked("\(place)", "the page has asked for \(Self.limit) other places")
        }
        let verdict = verdicts[place] ?? Task { [policy] in try await policy.addresses(of: place) }
        verdicts[place] = verdict
        do {
            return try await withTaskCancellationHandler {
                try await verdict.value
            } onCancel: {
                verdict.cancel()
            }
        } catch let error as ServiceError {
            failed(place, error)
            throw error
        }
    }

    func failed(_ place: HostPort, _ error: ServiceError) {
        if error.status == .forbidden, !refused.contains(place), refused.count < 1_000 { refused.append(place) }
        failures[place] = error
    }
}
