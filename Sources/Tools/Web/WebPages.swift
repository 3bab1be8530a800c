import Foundation
import HTTPTypes
import Logging
import ServiceKit
import Suite
import SystemPackage

/// Opens web pages, each in a fresh browser behind a proxy of its own.
struct WebPages: Sendable {
    private let settings: Settings
    private let policy: WebPolicy
    private let slots: Slots
    /// How long a page may take to load; a browser to become free and to start, and the work with the page, have as long each.
    private let patience: Duration
    private let logger: Logger

    /// - Throws: ``Suite/InvalidSettings`` where `WEB_ALLOWED_HOSTS` cannot be understood.
    init(settings: Settings, logger: Logger) async throws {
        self.init(settings: settings, policy: try WebPolicy(settings: settings), logger: logger)
        try await offPool { ProfileFolder.removeLeftovers() }
    }

    init(settings: Settings, policy: WebPolicy, logger: Logger) {
        self.settings = settings
        self.policy = policy
        self.logger = logger
        slots = Slots(limit: settings[SettingKeys.webMaxBrowsers])
        patience = .seconds(settings[SettingKeys.webTimeout])
    }

    /// Says what is wrong with an address before anything is done with it.
    ///
    /// - Throws: 422 for what is no address, 403 `url_blocked`, 503 where there is no browser.
    func check(_ url: String) throws {
        try policy.check(try WebAddress(url).place)
        _ = try BrowserProgram(settings: settings)
    }

    /// Opens a page, waits until it is loaded and quiet, and works with it.
    ///
    /// - Parameters:
    ///   - width: of the window, in CSS pixels; the same for the height.
    ///   - pause: how much longer the work may take, because it waits on purpose.
    /// - Throws: 403 `url_blocked`, 413 `too_large`, 422, 502 `page_unreachable`, 503 `browser_unavailable` or `busy`, 504 `timeout`; what
    ///   the work throws.
    func withPage<Value: Sendable>(
        _ url: String, width: Int = 1_280, height: Int = 720, pause: Duration = .zero,
        _ body: @escaping @Sendable (Page) async throws -> Value
    ) async throws -> Value {
        let address = try WebAddress(url)
        try policy.check(address.place)
        let program = try BrowserProgram(settings: settings)
        let destinations = Destinations(policy)
        // What must be refused is refused before a browser starts.
        _ = try await within(patience, "The name in “\(address.place)” was not resolved") {
            try await destinations.addresses(of: address.place)
        }
        return try await inSlot {
            let (failures, failure) = AsyncStream.makeStream(of: ServiceError.self)
            let traffic = Traffic(limit: settings[SettingKeys.webMaxBytes]) { failure.yield($0) }
            let proxy = try await PageProxy(destinations, traffic: traffic)
            return try await first(of: [
                {
                    for await error in failures { throw error }
                    return nil
                },
                {
                    try await proxy.run()
                    return nil
                },
                {
                    try await visit(
                        address, Visit(width: width, height: height, limit: patience + pause, proxy: proxy, destinations: destinations),
                        with: program, fail: { failure.yield($0) }, body)
                },
            ])
        }
    }

    /// - Throws: 503 `busy` when no browser became free in time; whatever the work throws.
    private func inSlot<Value: Sendable>(_ work: @Sendable () async throws -> Value) async throws -> Value {
        do {
            return try await slots.withSlot(within: patience, work)
        } catch let error as DeadlineExceeded {
            throw ServiceError.unavailable(
                "All browsers are at work, and none became free within \(error.limit.seconds.formatted()) s. WEB_MAX_BROWSERS says how many there are.",
                code: "busy")
        }
    }

    private struct Visit: Sendable {
        let width: Int
        let height: Int
        /// How long the work may take.
        let limit: Duration
        let proxy: PageProxy
        let destinations: Destinations
    }

    private func visit<Value: Sendable>(
        _ address: WebAddress, _ visit: Visit, with program: BrowserProgram, fail: @escaping @Sendable (ServiceError) -> Void,
        _ body: @escaping @Sendable (Page) async throws -> Value
    ) async throws -> Value {
        try await ProfileFolder.with { folder in
            let arguments = BrowserProgram.arguments(profile: folder.appending("profile").string, proxyPort: visit.proxy.port)
            do {
                return try await BrowserProcess.run(program, arguments, in: folder) { browser in
                    let page = Page(browser, proxy: visit.proxy, destinations: visit.destinations, fail: fail)
                    return try await first(of: [
                        {
                            await page.attend()
                            return nil
                        },
                        {
                            try await within(patience, "The browser did not start") {
                                try await page.prepare(width: visit.width, height: visit.height)
                            }
                            try await within(patience, "“\(address.place)” did not load") { try await page.open(address) }
                            return try await within(visit.limit, "The work with “\(address.place)” did not end") { try await body(page) }
                        },
                    ])
                }
            } catch let gone as BrowserGone {
                let words = gone.lastWords.split(separator: "\n").last { !$0.contains("/dbus/") } ?? "it says nothing"
                logger.warning("the browser ended by itself", metadata: ["stderr": "\(words)"])
                throw ServiceError.unavailable("The browser ended by itself: \(words.prefix(300)).", code: "browser_unavailable")
            } catch let refusal as DevTools.Refusal {
                throw ServiceError(.badGateway, code: "browser_failed", "The browser did not do what it was asked: \(refusal).")
            }
        }
    }

    /// - Throws: 504 `timeout` in place of ``ServiceKit/DeadlineExceeded``.
    private func within<Value: Sendable>(
        _ limit: Duration, _ what: String, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        do {
            return try await withDeadline(limit, work)
        } catch is DeadlineExceeded {
            throw ServiceError(.gatewayTimeout, code: "timeout", "\(what) within \(limit.seconds.formatted()) s, and was given up.")
        }
    }
}

/// Runs some work beside each other until one has a value or fails; the others are cancelled.
private func first<Value: Sendable>(of works: [@Sendable () async throws -> Value?]) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        for work in works { group.addTask { try await work() } }
        defer { group.cancelAll() }
        while let value = try await group.next() {
            if let value { return value }
        }
        throw CancellationError()
    }
}
