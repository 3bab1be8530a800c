import Foundation
import GRDB
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import Security
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite("Routes of approvals")
struct ApprovalRoutesTests {
    /// The routes by themselves, as the tool server and its administration put them among their own.
    private struct Alone: SuiteService {
        let approvals: Approvals
        let id = ServiceID.mcpServer
        let errorShape = ErrorShape.detail
        var routes: [Route] { ApprovalRoutes(approvals, audit: nil).all }
        func health() async -> Health { Health(.ok) }
    }

    /// What an answer says.
    /// These keys and no others.
    private struct KnownKeys: Authenticator {
        let callers: [String: Caller]

        func caller(for credentials: Credentials) async -> Caller? { credentials.key.flatMap { callers[$0] } }
    }

    private struct Answer {
        let status: Int
        let body: JSONValue
        let headers: HTTPFields
        var code: String? { body["code"]?.stringValue }
    }

    private struct Door: Sendable {
        let client: any TestClientProtocol

        func callAsFunction(_ method: HTTPRequest.Method, _ path: String, as key: String? = "maru_boss", _ body: String? = nil) async throws
            -> Answer
        {
            var headers: HTTPFields = [:]
            if let key { headers[.authorization] = "Bearer \(key)" }
            return try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) {
                answer in
                let body = (try? JSONDecoder().decode(JSONValue.self, from: Data(answer.body.readableBytesView))) ?? .null
                return Answer(status: answer.status.code, body: body, headers: answer.headers)
            }
        }
    }

    private func withDoor(
        _ values: [String: String] = [:], _ body: @escaping @Sendable (Door, Approvals) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(values, folder: folder)
            let pool = try DatabasePool(path: folder.appending("security.db").string)
            var migrator = DatabaseMigrator()
            registerApprovals(&migrator)
            try migrator.migrate(pool)
            let approvals = Approvals(database: pool, settings: settings, directory: AdministratorAlone())
            let keys = KnownKeys(callers: [
                "maru_boss": Caller(id: "boss", role: .admin), "maru_dev": Caller(id: "dev", role: .developer),
                "maru_other": Caller(id: "other", role: .developer),
            ])
            try await withRunning(Alone(approvals: approvals), settings: settings, authenticator: keys) { client in
                try await body(Door(client: client), approvals)
            }
        }
    }

    private static func ask(_ approvals: Approvals, _ command: String = "ls") async throws -> ApprovalRequest {
        let call = try CallDigest(tool: "execute_bash", arguments: ["command": .string(command)])
        return try await approvals.request(
            tool: "execute_bash", digest: call.digest, arguments: call.arguments, preview: "$ \(command)",
            caller: Caller(id: "dev", role: .developer))
    }

    @Test("weakness_13_every_route_of_approvals_is_there_and_asks_for_a_key")
    func weakness_13() async throws {
        try await withDoor { door, approvals in
            let id = try await Self.ask(approvals).idText
            for route in ApprovalRoutes(approvals, audit: nil).all {
                let path = route.path.replacing("{id}", with: id)
                for key in [nil, "approval-admin-001", "maru_wrong"] {
                    let refused = try await door(route.method, path, as: key, "{}")
                    #expect(refused.status == 401 && refused.headers[.wwwAuthenticate] != nil, "\(route.method) \(path)")
                }
                let answered = try await door(route.method, path, "{}")
                #expect(![401, 404, 405].contains(answered.status) && answered.status < 500, "\(route.method) \(path) \(answered)")
            }
            #expect(Set(ApprovalRoutes(approvals, audit: nil).plain.map(\.path)).count == 4)
        }
    }

    @Test("weakness_12_create_decide_by_short_id_figures_and_cancel_do_what_they_say")
    func weakness_12() async throws {
        try await withDoor { door, approvals in
            let created = try await door(
                .post, "/api/v1/approvals", #"{"tool_name":"write_file","user_id":"dev","request_context":{"path":"a"}}"#)
            #expect(created.status == 201 && created.body["status"] == "pending")
            #expect((1...300).contains(created.body["expires_in_seconds"]?.intValue ?? 0))
            let id = try #require(created.body["request_id"]?.stringValue)
            // Who asked on behalf of another does not decide it, unless nobody else can: here another administrator may be.
            #expect(try await door(.put, "/api/v1/approvals/\(id)", #"{"action":"approve"}"#).code == "own_request")
            #expect(try await door(.delete, "/api/v1/approvals/\(id.prefix(8))").status == 204)
            #expect(try await door(.delete, "/api/v1/approvals/\(id)").status == 409)

            let asked = try await Self.ask(approvals)
            let decided = try await door(.put, "/api/v1/approvals/\(asked.shortID)", #"{"action":"approve","reason":"ok"}"#)
            #expect(decided.status == 200 && decided.body["status"] == "approved" && decided.body["responder"] == "boss")
            #expect(decided.body["request_id"] == .string(asked.idText))
            #expect(try await door(.put, "/api/v1/approvals/\(asked.idText)", #"{"action":"reject"}"#).status == 409)
            let figures = try await door(.get, "/api/v1/approvals/stats?time_range=1h")
            #expect(figures.status == 200 && figures.body["total_requests"] == 2 && figures.body["approved_count"] == 1)

            #expect(try await door(.post, "/api/v1/approvals", "{}").status == 400)
            #expect(try await door(.post, "/api/v1/approvals", #"{"tool_name":"no_such"}"#).status == 422)
            #expect(try await door(.put, "/api/v1/approvals/\(asked.idText)", #"{"action":"maybe"}"#).status == 400)
            #expect(try await door(.put, "/api/v1/approvals/00000000", #"{"action":"approve"}"#).status == 404)
            #expect(try await door(.get, "/api/v1/approvals/%25%25%25%25%25%25%25%25").status == 422)
            #expect(try await door(.get, "/api/v1/approvals?status=odd").status == 422)
            #expect(try await door(.get, "/api/v1/approvals/stats?time_range=soon").status == 422)
        }
    }

    @Test("An approver reads arguments and preview in full; the one who asked sees their own; others learn nothing")
    func visibility() async throws {
        try await withDoor { door, approvals in
            let asked = try await Self.ask(approvals, "echo " + String(repeating: "x", count: 10_000))
            let full = try await door(.get, "/api/v1/approvals/\(asked.shortID)")
            #expect(full.body["preview"]?.stringValue == asked.preview && full.body["request_data"]?.stringValue == asked.arguments)
            #expect(full.body["digest"]?.stringValue == asked.digest)
            #expect(try await door(.get, "/api/approvals/\(asked.shortID)/status", as: "maru_dev").body["status"] == "pending")
            #expect(try await door(.get, "/api/approvals/\(asked.shortID)/status", as: "maru_other").status == 404)
            #expect(try await door(.get, "/api/v1/approvals/\(asked.idText)", as: "maru_other").status == 404)
            for path in ["/api/approvals/pending", "/api/v1/approvals", "/api/v1/approvals/stats"] {
                #expect(try await door(.get, path, as: "maru_dev").status == 403)
            }
            #expect(try await door(.post, "/api/approvals/\(asked.idText)/approve", as: "maru_dev", "{}").status == 403)
            let waiting = try await door(.get, "/api/approvals/pending?limit=5&tool_name=execute_bash")
            #expect(waiting.body["count"] == 1)
            let row = try #require(waiting.body["pending_approvals"]?.arrayValue?.first)
            #expect((1...300).contains(row["seconds_until_expiry"]?.intValue ?? 0))
            #expect(row["requested_at"]?.stringValue?.wholeMatch(of: #/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/#) != nil)
        }
    }

    @Test("A reason comes as an object, as a bare text, or not at all; anything else is refused")
    func reasons() async throws {
        try await withDoor { door, approvals in
            for (number, body) in [#"{"reason":"why"}"#, #""why""#].enumerated() {
                let asked = try await Self.ask(approvals, "\(number)")
                let path = "/api/approvals/\(asked.idText)/reject"
                #expect(try await door(.post, path, "[]").status == 422)
                #expect(try await door(.post, path, #"{"reason":7}"#).status == 422)
                #expect(try await door(.post, path, "{").status == 400)
                #expect(try await door(.post, path, body).body["status"] == "rejected")
                #expect(try await approvals.find(asked.idText).reason == "why")
            }
            let asked = try await Self.ask(approvals, "none")
            #expect(try await door(.post, "/api/approvals/\(asked.idText)/approve").body["status"] == "approved")
        }
    }

    @Test("weakness_11_approvals_are_counted_where_they_change_timeouts_once_though_nobody_polls")
    func weakness_11() async throws {
        // Counters are the process's own, so this test looks at differences of its own tool's.
        let registry = SharedRegistry.metrics
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["APPROVAL_TIMEOUT": "10"], folder: folder)
            let pool = try DatabasePool(path: folder.appending("security.db").string)
            var migrator = DatabaseMigrator()
            registerApprovals(&migrator)
            try migrator.migrate(pool)
            func approvals(at seconds: TimeInterval) -> Approvals {
                Approvals(
                    database: pool, settings: settings, directory: AdministratorAlone(),
                    now: { Date(timeIntervalSince1970: 1_800_000_000 + seconds) })
            }
            func ask(_ tool: String) async throws -> ApprovalRequest {
                let call = try CallDigest(tool: tool, arguments: [:])
                return try await approvals(at: 0).request(
                    tool: tool, digest: call.digest, arguments: call.arguments, preview: nil, caller: Caller(id: "dev", role: .developer))
            }
            let first = try await ask("counted_one")
            _ = try await ask("counted_one")
            _ = try await ask("counted_two")
            _ = try await approvals(at: 4).decide(first.idText, approve: true, by: Caller(id: "boss", role: .admin))
            for _ in 0..<3 { try await approvals(at: 100).sweep() }
            let text = registry.text()
            for line in [
                #"approval_requests_total{status="pending",tool_name="counted_one"} 1"#,
                #"approval_requests_total{status="approved",tool_name="counted_one"} 1"#,
                #"approval_requests_total{status="expired",tool_name="counted_two"} 1"#,
            ] { #expect(text.contains(line + "\n"), "\(line) in \(text)") }
            #expect(!text.contains(#"status="expired",tool_name="counted_one""#))
            #expect(text.contains("approval_response_time_seconds_bucket") && text.contains("approval_timeout_total"))
        }
    }
}

/// A directory where the administrator is the only one who decides.
private struct AdministratorAlone: ApproverDirectory {
    func holds(_ permission: ApprovalPermission, _ caller: Caller) async throws -> Bool { false }
    func hasApprover(besides userID: String) async throws -> Bool { userID != "admin" }
}
