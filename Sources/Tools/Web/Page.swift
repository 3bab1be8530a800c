import Foundation
import HTTPTypes
import ServiceKit
import Synchronization

/// One page in one browser.
final class Page: Sendable {
    private struct State {
        var session = ""
        /// The page's target, and its main frame: they have one name.
        var frame = ""
        var url = ""
        /// The document that is shown.
        var loader: String?
        var isLoading = false
        var stopped = ContinuousClock.now
        /// Whether nothing has been asked of the network for half a second.
        var isIdle = false
        /// Whether what is shown is the browser's own page about an error.
        var isError = false
        /// Why the page must not be worked with any more.
        var failure: ServiceError?
    }

    private let browser: DevTools
    private let proxy: PageProxy
    private let destinations: Destinations
    private let fail: @Sendable (ServiceError) -> Void
    private let state = Mutex(State())
    private let (events, incoming) = AsyncStream.makeStream(of: DevTools.Event.self)

    /// - Parameter fail: ends the call.
    init(_ browser: DevTools, proxy: PageProxy, destinations: Destinations, fail: @escaping @Sendable (ServiceError) -> Void) {
        self.browser = browser
        self.proxy = proxy
        self.destinations = destinations
        self.fail = fail
        browser.observe { [weak self] event in
            self?.observe(event)
            self?.incoming.yield(event)
        }
    }

    /// Where the page is now.
    var url: String { state.withLock { $0.url } }
    var frame: String { state.withLock { $0.frame } }

    /// What parts of the page were refused, as a sentence; empty where nothing was.
    func refusals() async -> String {
        let refused = await destinations.refused.map(\.description)
        guard !refused.isEmpty else { return "" }
        let more = refused.count > 5 ? " and \(refused.count - 5) more" : ""
        return "Not loaded, since web tools do not open it: \(refused.prefix(5).joined(separator: ", "))\(more)."
    }

    /// Calls a method of the page's target.
    @discardableResult
    func call(_ method: String, _ parameters: JSONValue = [:]) async throws -> JSONValue {
        try await browser.call(method, parameters, session: state.withLock { $0.session })
    }

    /// Makes an empty page in a context of its own, and binds it.
    func prepare(width: Int, height: Int) async throws {
        try await browser.call("Browser.getVersion")
        // Only this context ever gets the proxy's password; the browser's own requests have another, without.
        let context = try await browser.call(
            "Target.createBrowserContext",
            ["proxyServer": .string("http://127.0.0.1:\(proxy.port)"), "proxyBypassList": "<-loopback>", "disposeOnDetach": true])
        let id = context["browserContextId"] ?? .null
        try await browser.call("Browser.setDownloadBehavior", ["behavior": "deny", "browserContextId": id])
        let target = try await browser.call("Target.createTarget", ["url": "about:blank", "browserContextId": id])["targetId"] ?? .null
        state.withLock { $0.frame = target.stringValue ?? "" }
        let attached = try await browser.call("Target.attachToTarget", ["targetId": target, "flatten": true])
        state.withLock { $0.session = attached["sessionId"]?.stringValue ?? "" }
        // Whatever else opens is stopped before it loads, and closed.
        try await browser.call(
            "Target.setAutoAttach",
            ["autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true, "filter": [["type": "page"]]])
        try await call("Inspector.enable")
        try await call("Page.enable")
        try await call("Page.setLifecycleEventsEnabled", ["enabled": true])
        try await call("Page.setInterceptFileChooserDialog", ["enabled": true])
        try await call("Fetch.enable", ["handleAuthRequests": true, "patterns": [["urlPattern": "*"]]])
        let size: JSONValue = [
            "width": .integer(Int64(width)), "height": .integer(Int64(height)), "deviceScaleFactor": 1, "mobile": false,
        ]
        try await call("Emulation.setDeviceMetricsOverride", size)
    }

    /// Goes to an address, and waits until the page is loaded and quiet.
    func open(_ address: WebAddress) async throws {
        let answer = try await call("Page.navigate", ["url": .string(address.description)])
        if let text = answer["errorText"]?.stringValue { throw await unreachable(text, address.place) }
        try await settle()
    }

    /// Waits until the page is loaded and quiet. One that never falls silent is taken as it is after a while.
    func settle() async throws {
        while true {
            let (state, now) = (state.withLock { $0 }, ContinuousClock.now)
            if let failure = state.failure { throw failure }
            if !state.isLoading, state.isIdle || now - state.stopped > .seconds(2) {
                guard !state.isError else { throw await unreachable("the browser shows an error", nil) }
                guard state.url.hasPrefix("http:") || state.url.hasPrefix("https:") else {
                    throw WebPolicy.blocked(String(state.url.prefix(100)), "the page led there, and only http and https are opened")
                }
                return
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// What the browser's word for a failed navigation means.
    private func unreachable(_ text: String, _ place: HostPort?) async -> ServiceError {
        if let failure = state.withLock({ $0.failure }) { return failure }
        if let place, let failure = await destinations.failures[place] { return failure }
        switch text {
        case "net::ERR_ABORTED":
            return ServiceError(.unprocessableContent, code: "not_a_page", "What is there is no page but a download, or nothing at all.")
        case "net::ERR_UNSAFE_PORT": return WebPolicy.blocked(place?.description ?? "", "browsers do not open that port")
        default:
            // A redirect may have led where the proxy would not go.
            if let refused = await destinations.refused.last, let failure = await destinations.failures[refused] { return failure }
            return ServiceError(.badGateway, code: "page_unreachable", "The page cannot be loaded: \(text).")
        }
    }

    // MARK: Events

    /// What has to be known at once, before anything else is read of the browser.
    private func observe(_ event: DevTools.Event) {
        state.withLock { state in
            guard event.session == state.session, !state.session.isEmpty else { return }
            let parameters = event.parameters
            let isMain = parameters["frameId"]?.stringValue == state.frame
            switch event.method {
            case "Page.frameStartedLoading" where isMain:
                state.isLoading = true
                state.isIdle = false
            case "Page.frameStoppedLoading" where isMain:
                state.isLoading = false
                state.stopped = .now
            case "Page.lifecycleEvent" where isMain && parameters["name"] == "networkIdle":
                if parameters["loaderId"]?.stringValue == state.loader { state.isIdle = true }
            case "Page.frameNavigated" where parameters["frame"]?["id"]?.stringValue == state.frame:
                state.loader = parameters["frame"]?["loaderId"]?.stringValue
                state.url = parameters["frame"]?["url"]?.stringValue ?? ""
                state.isError = parameters["frame"]?["unreachableUrl"] != nil
                state.isIdle = false
            default: break
            }
        }
    }

    /// Answers what the browser asks, for as long as it lives.
    func attend() async {
        await withDiscardingTaskGroup { group in
            for await event in events { group.addTask { await self.answer(event) } }
        }
    }

    private func answer(_ event: DevTools.Event) async {
        let parameters = event.parameters
        let (session, frame) = state.withLock { ($0.session, $0.frame) }
        switch event.method {
        case "Target.attachedToTarget":
            guard let target = parameters["targetInfo"]?["targetId"], target.stringValue != frame,
                parameters["targetInfo"]?["type"] == "page"
            else { return }
            _ = try? await browser.call("Target.closeTarget", ["targetId": target])
        case "Target.detachedFromTarget" where parameters["sessionId"]?.stringValue == session:
            give(ServiceError(.badGateway, code: "page_closed", "The page closed itself."))
        default: break
        }
        guard event.session == session else { return }
        switch event.method {
        case "Fetch.requestPaused": await judge(parameters)
        case "Fetch.authRequired":
            // A page that asks for a password is shown as who has none sees it.
            let isProxy = parameters["authChallenge"]?["source"] == "Proxy"
            let answer: JSONValue =
                isProxy
                ? ["response": "ProvideCredentials", "username": .string(PageProxy.user), "password": .string(proxy.password)]
                : ["response": "CancelAuth"]
            _ = try? await call(
                "Fetch.continueWithAuth", ["requestId": parameters["requestId"] ?? .null, "authChallengeResponse": answer])
        case "Page.javascriptDialogOpening": _ = try? await call("Page.handleJavaScriptDialog", ["accept": false])
        case "Inspector.targetCrashed":
            give(ServiceError(.badGateway, code: "page_crashed", "The page crashed: it may need more memory than it is given."))
        default: break
        }
    }

    /// Lets a request of the page go on to the proxy, or ends it. The proxy decides for itself; here it shows what the request is for, and a
    /// page that leads to a refused place ends the call.
    private func judge(_ parameters: JSONValue) async {
        let id = parameters["requestId"] ?? .null
        let url = parameters["request"]?["url"]?.stringValue ?? ""
        let isPage = parameters["resourceType"] == "Document" && parameters["frameId"]?.stringValue == state.withLock { $0.frame }
        do {
            if isPage || !["data:", "blob:", "about:"].contains(where: url.hasPrefix) {
                _ = try await destinations.addresses(of: try WebAddress(url).place)
            }
            try await call("Fetch.continueRequest", ["requestId": id])
        } catch {
            if isPage, let error = error as? ServiceError { give(error) }
            _ = try? await call("Fetch.failRequest", ["requestId": id, "errorReason": "BlockedByClient"])
        }
    }

    private func give(_ failure: ServiceError) {
        state.withLock { $0.failure = $0.failure ?? failure }
        fail(failure)
    }
}
