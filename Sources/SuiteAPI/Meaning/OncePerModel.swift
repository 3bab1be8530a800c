/// What is learnt of an embedding model once, however many ask at the same time. What fails is tried again by the next who asks.
public actor OncePerModel<Value: Sendable> {
    private var known: [String: Task<Value, any Error>] = [:]

    public init() {}

    /// - Throws: what `learn` throws.
    public func value(of model: String, _ learn: @escaping @Sendable () async throws -> Value) async throws -> Value {
        if let task = known[model] { return try await task.value }
        let task = Task { try await learn() }
        known[model] = task
        do {
            return try await task.value
        } catch {
            known[model] = nil
            throw error
        }
    }
}
