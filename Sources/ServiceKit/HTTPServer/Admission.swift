import Hummingbird
import Synchronization

/// Bounds how many requests a service works on at once; the rest are told when to come back. Health and liveness are always let in.
struct Admission: Sendable {
    private let gate: Gate

    init(limit: Int) { gate = Gate(limit: limit) }

    /// A place among the requests in work, given back when the permit is dropped: with the answer, or with the last byte of a stream
    /// whose body holds it.
    ///
    /// - Throws: 503 with `Retry-After` when all places are taken.
    func admit() throws -> Permit {
        guard gate.enter() else {
            throw ServiceError.unavailable(
                "This service is at its limit of concurrent requests.", code: "overloaded", retryAfter: .seconds(1))
        }
        return Permit(gate: gate)
    }

    final class Permit: Sendable {
        private let gate: Gate

        fileprivate init(gate: Gate) { self.gate = gate }

        deinit { gate.leave() }
    }

    fileprivate final class Gate: Sendable {
        private let limit: Int
        private let count = Mutex(0)

        init(limit: Int) { self.limit = limit }

        func enter() -> Bool {
            count.withLock { count in
                guard count < limit else { return false }
                count += 1
                return true
            }
        }

        func leave() { count.withLock { $0 -= 1 } }
    }
}

extension Response {
    /// Keeps something alive until the last byte of the body was written.
    func holding(_ permit: Admission.Permit) -> Response {
        let body = self.body
        guard body.contentLength == nil else { return self }
        var response = self
        response.body = ResponseBody { writer in
            try await body.write(writer)
            withExtendedLifetime(permit) {}
        }
        return response
    }
}
