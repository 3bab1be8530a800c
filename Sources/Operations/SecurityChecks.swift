import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

extension Checklist {
    /// What stands between a caller and this machine: roles, approvals, the sandbox, the audit log. Phase 4.
    static func security(_ settings: Settings) -> [Check] {
        let tools = settings.baseURL(of: .mcpServer)
        let administration = settings.administrationURL
        let curl = settings.curl
        return [
            Check(
                "C05", .configuration, "Audit log", threshold: "every record chained to the one before it, none missing",
                command: "maru audit verify", limit: .seconds(120), asksService: true, run: auditChain),
            Check(
                "C06", .configuration, "Sandbox", threshold: "every kind of isolation proved by trying to break it",
                command: "maru sandbox check", limit: .seconds(90), asksService: true, run: sandbox),
            Check(
                "C07", .configuration, "Default credentials",
                threshold: "no key that others know, and no name without a key, is an administrator",
                command: "curl -s -o /dev/null -w '%{http_code}\\n' -H 'X-API-Key: approval-admin-001' \(tools)/api/v1/approvals",
                asksService: true, run: defaultCredentials),
            Check(
                "C08", .configuration, "Exposure", threshold: "administration needs a key; other sites' pages and names are refused",
                command:
                    "curl -s -o /dev/null -w '%{http_code}\\n' \(administration)/security/stats; \(curl) -H 'Origin: https://example.com' \(tools)/tools",
                asksService: true, run: exposure),
        ]
    }

    /// S22.
    static func securitySettings(_ context: CheckContext) async throws -> Finding {
        let settings = context.settings
        let guards = [
            SettingKeys.rbacEnabled, SettingKeys.approvalEnabled, SettingKeys.sandboxEnabled, SettingKeys.rateLimitEnabled,
        ]
        let off = guards.filter { !settings[$0] }.map(\.name)
        let mode = settings[SettingKeys.securityMode]
        let probe =
            mode == .development
            ? try await Probed(
                context, .POST, "/tools/search_files/call", headers: ["X-User-ID": "guest_user"], body: #"{"pattern":"x","max_results":1}"#)
            : try await Probed(context, .GET, "/tools")
        let expected = mode == .development ? 403 : 401
        let evidence = guards.map { "\($0.name)=\(settings[$0])" }.joined(separator: "\n") + "\nSECURITY_MODE=\(mode.rawValue)\n\(probe)"
        let value =
            "\(guards.count - off.count) of \(guards.count) on; \(mode == .development ? "a guest" : "a stranger") gets \(probe.status)"
        guard probe.status == expected else {
            return Finding(
                .fail, value: value,
                reason: mode == .development
                    ? "a guest who calls an administrator's tool must be answered 403" : "a call without a key must be answered 401",
                evidence: evidence)
        }
        guard off.isEmpty else {
            return Finding(.fail, value: value, reason: "turned off: \(off.joined(separator: ", "))", evidence: evidence)
        }
        return Finding(.pass, value: value, evidence: evidence)
    }

    /// S25. The checklist belongs to the checkout; an installed program has none beside it.
    static func securityChecklist(_ context: CheckContext) -> Finding {
        let path = context.settings.home.appending("docs/ops/PRODUCTION_SECURITY_CHECKLIST.md")
        guard FileManager.default.fileExists(atPath: context.settings.home.appending("Package.swift").string) else {
            return .skip("\(context.settings.home) is not a checkout of the project")
        }
        let text = (try? String(contentsOfFile: path.string, encoding: .utf8)) ?? ""
        let items = text.matches(of: #/(?m)^- \[[ x]\] /#).count
        guard items > 0 else { return Finding(.fail, reason: "\(path) is missing or lists nothing") }
        return Finding(.pass, value: "\(items) items", evidence: String(text.prefix(4_000)))
    }

    private static func auditChain(_ context: CheckContext) async throws -> Finding {
        let verdict: JSONValue = try await context.administration.send(.GET, "/security/audit/verify")
        let records = verdict["records"]?.intValue ?? 0
        let value = "\(records) records"
        guard verdict["intact"]?.boolValue == true else {
            return Finding(.fail, value: value, reason: verdict["problem"]?.stringValue ?? "the chain is broken", evidence: text(verdict))
        }
        guard records > 0 else {
            return Finding(.inconclusive, value: value, reason: "nothing has been recorded yet", evidence: text(verdict))
        }
        return Finding(.pass, value: value, evidence: text(verdict))
    }

    private static func sandbox(_ context: CheckContext) async throws -> Finding {
        let answer: JSONValue = try await context.administration.send(.GET, "/security/sandbox")
        let findings = answer["findings"]?.arrayValue ?? []
        let broken = findings.filter { $0["holds"]?.boolValue != true }
        let lines = findings.map {
            "\($0["name"]?.stringValue ?? ""): \($0["holds"]?.boolValue == true ? "holds" : "BROKEN"), \($0["detail"]?.stringValue ?? "")"
        }
        let value =
            "\(findings.count - broken.count) of \(findings.count) kinds hold, memory bounded \(answer["memory_bound"]?.stringValue ?? "")"
        let evidence = lines.joined(separator: "\n")
        guard answer["state"]?.stringValue != "off" else {
            return Finding(.fail, reason: "turned off: SANDBOX_ENABLED", evidence: text(answer))
        }
        guard broken.isEmpty, !findings.isEmpty else {
            let names = broken.compactMap { $0["name"]?.stringValue }.joined(separator: ", ")
            return Finding(.fail, value: value, reason: "code is not run, since this does not hold: \(names)", evidence: evidence)
        }
        return Finding(.pass, value: value, evidence: evidence)
    }

    private static func defaultCredentials(_ context: CheckContext) async throws -> Finding {
        let known = ["approval-admin-001", "admin", "maru_admin_", "test", "changeme", "sk-1234"]
        var doors: [String] = []
        var evidence: [String] = []
        for key in known {
            let probe = try await Probed(context, .GET, "/api/v1/approvals", headers: ["X-API-Key": key])
            evidence.append("key \(key): \(probe)")
            if probe.status != 401, probe.status != 403 { doors.append("the key “\(key)” is answered \(probe.status)") }
        }
        for name in ["admin", "admin_user", "root"] {
            let probe = try await Probed(context, .GET, "/api/v1/approvals", headers: ["X-User-ID": name])
            evidence.append("name \(name): \(probe)")
            if probe.status != 401, probe.status != 403 { doors.append("the name “\(name)” without a key is answered \(probe.status)") }
        }
        let value = "\(known.count) keys and 3 names tried"
        guard doors.isEmpty else {
            return Finding(.fail, value: value, reason: doors.joined(separator: "; "), evidence: evidence.joined(separator: "\n"))
        }
        return Finding(.pass, value: value, evidence: evidence.joined(separator: "\n"))
    }

    private static func exposure(_ context: CheckContext) async throws -> Finding {
        let administration = context.settings.administrationURL
        // In development mode who has no key is the developer user, who may not administer either.
        let administrationAnswer = context.settings[SettingKeys.securityMode] == .development ? 403 : 401
        let tries: [(what: String, probe: Probed, expected: Int)] = [
            (
                "administration without a key", try await Probed(context, .GET, "/security/stats", base: administration),
                administrationAnswer
            ),
            ("a page of another site", try await Probed(context, .GET, "/tools", headers: ["Origin": "https://example.com"]), 403),
            ("a name that was rebound", try await Probed(context, .GET, "/tools", headers: ["Host": "example.com"]), 421),
            (
                "a page of another site at MCP",
                try await Probed(context, .POST, "/mcp", headers: ["Origin": "https://example.com"], body: "{}"), 403
            ),
        ]
        let wrong = tries.filter { $0.probe.status != $0.expected }.map { "\($0.what) is answered \($0.probe.status), not \($0.expected)" }
        let evidence = tries.map { "\($0.what): \($0.probe)" }.joined(separator: "\n")
        guard wrong.isEmpty else {
            return Finding(.fail, value: "\(wrong.count) of \(tries.count) open", reason: wrong.joined(separator: "; "), evidence: evidence)
        }
        return Finding(.pass, value: "\(tries.count) doors tried", evidence: evidence)
    }
}

/// What the tool server answered to a request that is made as a stranger would make it: without the stack's own key.
struct Probed: Sendable, CustomStringConvertible {
    let status: Int
    let body: String

    init(
        _ context: CheckContext, _ method: HTTPMethod, _ path: String, base: String? = nil, headers: [String: String] = [:],
        body: String? = nil
    ) async throws {
        let base = base ?? context.settings.baseURL(of: .mcpServer)
        var request = HTTPClientRequest(url: base + path)
        request.method = method
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(string: body))
        }
        do {
            let response = try await HTTPClient.suite.execute(request, timeout: .seconds(20))
            status = Int(response.status.code)
            self.body = String(buffer: try await response.body.collect(upTo: 1 << 20))
        } catch let error as HTTPClientError {
            throw UpstreamError(service: ServiceID.mcpServer.rawValue, message: "\(error)")
        }
    }

    var description: String { "HTTP \(status) \(body.prefix(300))" }
}

extension Settings {
    /// Where users, roles, keys and the audit log are administered.
    var administrationURL: String { "http://\(hostInURL):\(self[SettingKeys.mcpSecurityPort])" }
}

extension CheckContext {
    /// The administration of the tool server, asked with the stack's key.
    var administration: ServiceClient { clients.administration }
}
