import NIOHTTP1
import ServiceKit

/// `POST /admin/model` of a chat or code service.
public struct ModelSwitchRequest: Codable, Sendable {
    /// A name of the catalogue, or the model that the settings name; that one where it is left out.
    public let model: String?
    /// Whether the answer only says what would be done.
    public let dry_run: Bool?

    public init(model: String?, dryRun: Bool = false) {
        self.model = model
        dry_run = dryRun
    }
}

/// What became of it.
public struct ModelSwitchAnswer: Codable, Sendable, Equatable {
    public let success: Bool
    /// For people: which model is served, and for how long.
    public let message: String
    /// The model that is served now.
    public let current_model: String
    /// From the order until the model was ready; 0 where nothing had to be done.
    public let switch_time_seconds: Double

    public init(message: String, currentModel: String, switchTimeSeconds: Double) {
        success = true
        self.message = message
        current_model = currentModel
        switch_time_seconds = switchTimeSeconds
    }
}

/// Asks a chat or code service about its model.
public struct InferenceClient: Sendable {
    private let client: ServiceClient

    /// - Parameter client: reaches the service; its time limit covers the loading of a model.
    public init(_ client: ServiceClient) { self.client = client }

    /// Has another model loaded, and waits until it is ready.
    ///
    /// - Throws: ``UpstreamError``: 404 for an unknown model, 409 for one that is not there or does not load.
    public func switchModel(_ request: ModelSwitchRequest) async throws -> ModelSwitchAnswer {
        try await client.send(.POST, "/admin/model", body: request)
    }
}
