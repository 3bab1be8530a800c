import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Suite
import UnixSignals

/// Serves a ``SuiteService`` over HTTP under the rules that all services keep: identity, bounds, errors, health, metrics, shutdown.
public struct ServiceServer: Sendable {
    private let service: any SuiteService
    private let settings: Settings
    private let authorization: RouteAuthorization
    private let registry: PrometheusRegistry
    private let logger: Logger
    private let started = ContinuousClock.now

    public init(
        _ service: any SuiteService, settings: Settings, authenticator: any Authenticator, registry: PrometheusRegistry, logger: Logger
    ) {
        self.service = service
        self.settings = settings
        authorization = RouteAuthorization(authenticator: authenticator)
        self.registry = registry
        self.logger = logger
    }

    /// Every route the service answers, health and metrics included.
    public var routes: [Route] {
        let own = service.routes
        let common = [
            Route(.get, "/livez", "The process is alive, and which service it is.", access: .open, isBrief: true) {
                [id = service.id] _, _ in
                .json(["status": "ok", "service": .string(id.rawValue)] as JSONValue)
            },
            Route(.get, "/health", "Ready to serve, dependencies included; 503 with Retry-After when not.", access: .open) { _, _ in
                await health()
            },
            Route(.get, "/metrics", "Prometheus metrics.") { [registry] _, _ in
                Response(
                    status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                    body: .init(byteBuffer: ByteBuffer(string: registry.text())))
            },
        ]
        // Where the reference system had a path of its own for it, that one answers, too.
        let path = ServiceCatalogue[service.id].healthPath
        let also = common.filter { $0.path == "/health" && path != "/health" }.map {
            Route($0.method, path, $0.summary, access: $0.access, handler: $0.handler)
        }
        return own + (common + also).filter { route in !own.contains { $0.method == route.method && $0.path == route.path } }
    }

    /// The application, not yet running: tests drive it in process or over a socket.
    ///
    /// - Parameters:
    ///   - port: the port to listen on; `nil` for the one in the settings.
    ///   - idleLimit: how long a connection may be silent while it has a request to send, or the rest of one. Longer than clients keep
    ///     connections that they do not use, so that it is the client who closes them.
    public func application(
        port: Int? = nil, idleLimit: Duration = .seconds(120)
    ) -> Application<RouterResponder<CallContext>> {
        let router = Router(context: CallContext.self)
        let routes = self.routes
        router.add(middleware: RequestScopeMiddleware())
        router.add(middleware: TelemetryMiddleware())
        router.add(middleware: OriginHeaders(settings: settings))
        router.add(middleware: ErrorMiddleware(shape: service.errorShape, routes: routes))
        router.add(middleware: OriginGuard(settings: settings))
        let admission = Admission(limit: settings[SettingKeys.maxConcurrentRequests])
        let timeout = Duration.seconds(settings[SettingKeys.requestTimeout])
        let maxBody = settings[SettingKeys.maxBodyBytes]
        for route in routes {
            router.on(RouterPath(route.path), method: route.method) { [authorization] request, context in
                let permit = route.isAlwaysAdmitted ? nil : try admission.admit()
                var context = context
                context.maxUploadSize = maxBody
                context.caller = try await authorization.authorize(request, for: route)
                try Self.refuseOversized(request, limit: maxBody)
                let response = try await Self.answer(request, context, route, timeout).streamingOffLoop
                return permit.map(response.holding) ?? response
            }
        }
        let listen = port ?? ServiceCatalogue[service.id].port.map { settings[$0] } ?? 0
        return Application(
            router: router,
            server: .init { LoopChannel(responder: $0, idleLimit: idleLimit) },
            configuration: .init(address: .hostname(settings[SettingKeys.host], port: listen), serverName: nil),
            services: service.companions.map(NamedService.init),
            onServerRunning: { [logger] channel in
                logger.info(
                    "listening", metadata: ["address": "\(channel.localAddress?.description ?? "?")", "version": "\(BuildInfo.version)"])
            },
            logger: logger)
    }

    private static func answer(_ request: Request, _ context: CallContext, _ route: Route, _ timeout: Duration) async throws -> Response {
        guard route.stopsWhenClientLeaves else { return try await bounded(request, context, route, timeout) }
        // The connection can only be watched for its end once the body is off it.
        let whole = try await whole(request, context, timeout)
        guard route.shortBody == 0 || !hasBody(whole, upTo: route.shortBody) else {
            return try await Request.$keepsConnection.withValue(true) { try await bounded(whole, context, route, timeout) }
        }
        do {
            var response = try await withTaskExecutorPreference(globalConcurrentExecutor) { try await route.handler(whole, context) }
            response.headers[.connection] = "close"
            return response
        } catch {
            throw LastOnConnection(cause: error)
        }
    }

    /// What a handler answers in the time that it may take.
    private static func bounded(_ request: Request, _ context: CallContext, _ route: Route, _ timeout: Duration) async throws -> Response {
        let executor = route.isBrief && hasBody(request, upTo: Route.longestBrief) ? EventLoopExecutor.current : nil
        do {
            return try await withDeadline(timeout, atOnceOn: executor) { try await route.handler(request, context) }
        } catch let error as DeadlineExceeded {
            // Whatever of the request is still to come will not be read.
            throw LastOnConnection(
                cause: ServiceError(.gatewayTimeout, code: "timeout", "The request took longer than REQUEST_TIMEOUT allows: \(error)."))
        }
    }

    /// The request with its body, which is in memory then.
    private static func whole(_ request: Request, _ context: CallContext, _ timeout: Duration) async throws -> Request {
        do {
            return try await withDeadline(timeout, atOnceOn: EventLoopExecutor.current) {
                var whole = request
                _ = try await whole.collected(context)
                return whole
            }
        } catch is DeadlineExceeded {
            throw LastOnConnection(
                cause: ServiceError(
                    .requestTimeout, code: "request_timeout", "The request did not come whole within the time that REQUEST_TIMEOUT allows.")
            )
        }
    }

    /// Whether a body is known to have no more bytes than some, or there is none.
    private static func hasBody(_ request: Request, upTo bytes: Int) -> Bool {
        request.method == .get || request.headers[.contentLength].flatMap { Int($0) }.map { $0 <= bytes } ?? false
    }

    /// A body that announces its size is refused before a byte of it is read.
    private static func refuseOversized(_ request: Request, limit: Int) throws {
        if let announced = request.headers[.contentLength].flatMap({ Int($0) }), announced > limit {
            throw ServiceError.tooLarge("The request body has \(announced) bytes; MAX_BODY_BYTES allows \(limit).")
        }
    }

    private func health() async -> Response {
        let health = await service.health()
        var body = health.facts
        body["status"] = .string(health.status == .ok ? service.healthyWord : health.status.rawValue)
        body["ok"] = .bool(health.status == .ok)
        body["service"] = .string(service.id.rawValue)
        body["version"] = .string(BuildInfo.version)
        body["commit"] = .string(BuildInfo.commit)
        body["uptime_seconds"] = .number((started.duration(to: .now).seconds * 10).rounded() / 10)
        if let reason = health.reason { body["reason"] = .string(reason) }
        if let progress = health.progress { body["progress"] = .number(progress) }
        if !health.dependencies.isEmpty {
            body["dependencies"] = .object(
                health.dependencies.mapValues { .object(["status": .string($0.status), "error": $0.error.map(JSONValue.string) ?? .null]) })
        }
        let isReady = health.status == .ok
        return .json(
            JSONValue.object(body), status: isReady ? .ok : .serviceUnavailable,
            headers: isReady ? [:] : [.retryAfter: health.status == .loading ? "2" : "30"])
    }
}
