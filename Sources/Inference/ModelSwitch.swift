import Foundation
import Logging
import ServiceKit
import Suite
import SuiteAPI

/// A model that an engine runs, and how.
struct ServedModel: Sendable {
    let file: ModelFile
    let configuration: EngineConfiguration
}

/// Holds the model that is served, and exchanges it for another.
///
/// Two models may not fit a machine at once, so the old one is ended before the new one is loaded; when that fails, the old one is loaded
/// again. What is being answered has a while to finish, and what is asked meanwhile is told that the model is loading.
actor ModelSwitch {
    /// How long things may take.
    struct Patience: Sendable {
        /// Until answers in progress are broken off.
        var answers = Duration.seconds(30)
        /// Until a model counts as one that does not load.
        var loading = Duration.seconds(300)
    }

    private(set) var served: ServedModel
    /// The model that is being loaded in place of the other.
    private(set) var next: String?
    private let service: ServiceID
    private let process: EngineProcess
    private let engine: Engine
    private let settings: Settings
    private let answersInProgress: @Sendable () -> Int
    private let logger: Logger
    private let patience: Patience

    /// - Parameter answersInProgress: how many answers the engine is writing now.
    init(
        _ served: ServedModel, of service: ServiceID, on process: EngineProcess, engine: Engine, settings: Settings, logger: Logger,
        patience: Patience = Patience(), answersInProgress: @escaping @Sendable () -> Int
    ) {
        self.served = served
        self.service = service
        self.process = process
        self.engine = engine
        self.settings = settings
        self.logger = logger
        self.patience = patience
        self.answersInProgress = answersInProgress
    }

    /// The engine and its model, if it can be asked now.
    ///
    /// - Throws: 503 with what it is doing.
    func ready() async throws -> (EngineEndpoint, ServedModel) {
        if let next {
            throw ServiceError.unavailable("The model is loading: \(next).", code: "model_loading", retryAfter: .seconds(2))
        }
        let served = served
        switch await process.state {
        case .ready(let endpoint): return (endpoint, served)
        case .starting: throw ServiceError.unavailable("The model is loading.", code: "model_loading", retryAfter: .seconds(2))
        case .failing(let reason, let wait):
            throw ServiceError.unavailable("The engine failed: \(reason)", code: "engine_failed", retryAfter: wait)
        case .stopped: throw ServiceError.unavailable("The engine is stopped.", code: "engine_stopped")
        }
    }

    /// Serves another model from now on, until the service ends: the next start reads the settings again.
    ///
    /// What was begun is finished also when nobody waits for it any more: a service is not left without a model.
    ///
    /// - Returns: once the model is ready.
    /// - Throws: 404 for an unknown name; 409 when the file is missing or damaged, does not fit, cannot be loaded, or another switch runs.
    func serve(_ request: ModelSwitchRequest) async throws -> ModelSwitchAnswer {
        try refuseWhileSwitching()
        let other = try await candidate(request.model)
        guard other.configuration != served.configuration else {
            _ = try await ready()
            return answer("\(served.file.name) is served already.", after: .zero)
        }
        if request.dry_run == true {
            return answer("\(service) would load \(other.file.name) in place of \(served.file.name).", after: .zero)
        }
        // Others may have asked while the file was looked at.
        try refuseWhileSwitching()
        next = other.file.name
        let start = ContinuousClock.now
        let (outcome, report) = AsyncStream.makeStream(of: Result<Void, any Error>.self)
        Task {
            do { report.yield(.success(try await exchange(for: other))) } catch { report.yield(.failure(error)) }
            report.finish()
        }
        for await result in outcome {
            try result.get()
            return answer(
                "\(other.file.name) is served now. When \(service) starts again, \(role.setting.name) says anew which model it is.",
                after: start.duration(to: .now))
        }
        throw CancellationError()
    }

    private var role: ModelRole { service == .inferenceCode ? .code : .chat }

    private func answer(_ message: String, after time: Duration) -> ModelSwitchAnswer {
        ModelSwitchAnswer(
            message: message, currentModel: served.file.name, switchTimeSeconds: (time.seconds * 100).rounded() / 100)
    }

    private func refuseWhileSwitching() throws {
        guard let next else { return }
        throw ServiceError.conflict("\(next) is being loaded; wait until GET /health says ok.", code: "switch_in_progress")
    }

    /// The model of a name, with its share of the machine. Names are those of the catalogue and the settings: no caller chooses a path.
    private func candidate(_ name: String?) async throws -> ServedModel {
        let store = ModelStore(settings: settings)
        let chosen = await store.chosen(for: role)
        var known: CatalogueModel?
        if let name, !name.isEmpty, name != chosen.name, name != chosen.file {
            known = ModelCatalogue.named(name)
            guard let known, known.roles.contains(role) else {
                throw ServiceError.notFound(
                    "There is no \(role.rawValue) model “\(name.prefix(100))”. “maru models list” names them.", code: "model_not_found")
            }
        }
        do {
            let file = if let known { try await store.file(known, for: role) } else { try await store.file(for: role) }
            let machine = await Machine.current().seen(by: engine)
            let plan = await store.plan(for: machine, with: known.map { [role: $0] } ?? [:])
            // Where the models of the settings do not fit either, it is no worse than it was.
            if !plan.fits, await store.plan(for: machine).fits {
                throw ModelUnavailable(description: plan.problems.joined(separator: " "))
            }
            for line in plan.notes + plan.problems { logger.info("memory plan", metadata: ["note": "\(line)"]) }
            return ServedModel(file: file, configuration: .chat(file.path, share: try plan.share(role), settings: settings))
        } catch let error as ModelUnavailable {
            throw ServiceError.conflict(error.description, code: "model_unavailable")
        }
    }

    private func exchange(for other: ServedModel) async throws {
        defer { next = nil }
        let deadline = ContinuousClock.now.advanced(by: patience.answers)
        while answersInProgress() > 0, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(50)) }
        let before = served
        logger.notice("switching the model", metadata: ["from": "\(before.file.name)", "to": "\(other.file.name)"])
        do {
            try await load(other)
        } catch let failure as EngineFailed {
            logger.error("the model does not load", metadata: ["model": "\(other.file.name)", "cause": "\(failure)"])
            let back: String
            do {
                try await load(before)
                back = "\(before.file.name) is served again."
            } catch let second as EngineFailed {
                back = "\(before.file.name) does not load either: \(second)"
            }
            throw ServiceError.conflict("\(other.file.name) does not load: \(failure). \(back)", code: "model_failed")
        }
    }

    private func load(_ model: ServedModel) async throws {
        await process.run(model.configuration)
        try await process.waitUntilReady(with: model.configuration, within: patience.loading)
        served = model
    }
}

extension ModelRole {
    /// The setting that names its model.
    var setting: Setting<String> {
        switch self {
        case .chat: SettingKeys.chatModel
        case .code: SettingKeys.codeModel
        case .embedding: SettingKeys.embeddingModel
        }
    }
}
