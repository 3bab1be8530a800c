import ServiceKit

/// Says how to start what does not answer.
func reachable<Value>(_ call: () async throws -> Value) async throws -> Value {
    do {
        return try await call()
    } catch let error as UpstreamError where error.status == nil {
        throw CommandError("\(error)\nIs the stack running? Start it with: maru up")
    }
}
