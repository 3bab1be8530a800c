import Foundation
import HTTPTypes
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI

/// Asks Notion's API (https://developers.notion.com/reference, version 2022-06-28).
struct NotionClient: Sendable {
    private let client: ServiceClient?
    private let retry: RetryPolicy

    /// The token that the settings name is sent with every request, and stands nowhere else.
    init(settings: Settings, retry: RetryPolicy = RetryPolicy(attempts: 3, firstWait: .milliseconds(500), longestWait: .seconds(10))) {
        let token = settings[SettingKeys.notionToken]
        self.retry = retry
        client =
            token.isEmpty
            ? nil
            : ServiceClient(
                name: "Notion", baseURL: settings[SettingKeys.notionURL], key: token,
                headers: [("Notion-Version", "2022-06-28")], timeout: .seconds(60))
    }

    /// A database, with what its properties are.
    ///
    /// - Throws: 404 when there is none of that id, or it is not shared with the integration.
    func database(_ id: NotionID) async throws -> NotionDatabase {
        try await call { try await $0.send(.GET, "/v1/databases/\(id)") }
    }

    /// Creates a page in a database.
    ///
    /// A call that was lost on its way may have made the page, so it is repeated only when Notion says that it did nothing (429).
    ///
    /// - Throws: 422 with what Notion says of properties it does not take.
    func create(_ page: NotionPageDraft) async throws -> NotionPage {
        try await call(isRepeatable: false) { try await $0.send(.POST, "/v1/pages", body: page.body) }
    }

    /// Pages or databases by words of their titles, ten at the most.
    func search(_ query: String, kind: String) async throws -> [NotionHit] {
        let body: JSONValue = [
            "query": .string(query), "filter": ["property": "object", "value": .string(kind)], "page_size": 10,
        ]
        let list: NotionHit.List = try await call { try await $0.send(.POST, "/v1/search", body: body) }
        return Array(list.results.prefix(10))
    }

    /// Whether there is a token.
    ///
    /// - Throws: 409 with how to set one.
    func requireToken() throws { _ = try configured() }

    private func configured() throws -> ServiceClient {
        guard let client else {
            throw ServiceError.conflict(
                "No Notion integration is set up. Make one at https://www.notion.so/my-integrations, connect it to the pages it may use, put its "
                    + "token into NOTION_TOKEN and restart mcp-server.", code: "notion_not_configured")
        }
        return client
    }

    /// - Parameter isRepeatable: whether a second call does no more than the first, so that one that was lost may be made again.
    private func call<Answer: Sendable>(
        isRepeatable: Bool = true, _ send: @Sendable (ServiceClient) async throws -> Answer
    ) async throws -> Answer {
        let client = try configured()
        let longest = retry.longestWait
        do {
            return try await retry.run { error in
                // Nobody waits for longer than the policy allows: who asked is told how long it takes.
                (error.status == 429 || isRepeatable && error.isTransient) && (error.retryAfter ?? .zero) <= longest
            } _: {
                try await send(client)
            }
        } catch let error as UpstreamError {
            throw error.asNotionError(mayHaveBeenDone: !isRepeatable)
        }
    }
}

extension UpstreamError {
    /// What a caller is told of Notion's refusal: in Notion's own words, and with what to do.
    fileprivate func asNotionError(mayHaveBeenDone: Bool) -> any Error {
        let told = "Notion says: \(message)"
        switch status {
        case 400: return ServiceError(.unprocessableContent, code: "notion_refused", told)
        case 401: return ServiceError(.badGateway, code: "notion_unauthorized", "\(told) NOTION_TOKEN has to hold a valid token.")
        case 403: return ServiceError(.badGateway, code: "notion_forbidden", "\(told) Give the integration this capability in Notion.")
        case 404: return ServiceError.notFound("\(told) Connect the integration to it in Notion.", code: "notion_not_found")
        case 409: return ServiceError.conflict(told, code: "notion_conflict")
        case 429:
            return ServiceError.unavailable(
                "Notion takes no more requests for now: \(message)", code: "notion_rate_limited", retryAfter: retryAfter ?? .seconds(5))
        default:
            guard mayHaveBeenDone, isTransient else { return self }
            return ServiceError(
                .badGateway, code: "notion_uncertain", "\(self). It may have been done all the same: look before you ask again.")
        }
    }
}
