import Foundation
import HTTPTypes
import Security
import ServiceKit
import SuiteAPI
import TestSupport
import Testing

@testable import Tools

@Suite("Administration over HTTP")
struct AdministrationTests {
    @Test("A user is added, changed and removed; what is seen, what counts and what is recorded go together")
    func users() async throws {
        try await AdministrationDoor.with { door in
            let made = try await door(.post, "/security/users", #"{"user_id":"alice","role":"guest"}"#)
            #expect(made.status == 201 && made.body["user"]?["username"] == "alice")
            #expect(try await door(.post, "/security/users", #"{"user_id":"alice","role":"guest"}"#).code == "user_exists")
            let key = try #require(
                try await door(.post, "/security/keys", #"{"user_id":"alice"}"#).body["key"]?["key"]?.stringValue)
            #expect(try await door(.get, "/security/users", key: key).status == 403)
            #expect(try await door(.patch, "/security/users/alice", #"{"role":"admin","username":"앨리스"}"#).status == 200)
            // Her role counts with her very next request.
            let seen = try await door(.get, "/security/users/alice", key: key)
            #expect(seen.body["user"]?["role"] == "admin" && seen.body["user"]?["username"] == "앨리스")
            #expect(try await door(.patch, "/security/users/alice", #"{"is_active":false}"#).status == 200)
            #expect(try await door(.get, "/security/users", key: key).status == 401)
            #expect(try await door(.delete, "/security/users/alice").status == 204)
            #expect(try await door(.get, "/security/users/alice").code == "user_not_found")
            let records = try await door.records()
            #expect(records.allSatisfy { $0.user_id == "admin" && $0.ip_address == "127.0.0.1" && $0.request_id != nil })
            #expect(records.map(\.status) == ["success", "error", "success", "success", "success", "success"])
            #expect(records.last?.error_message == "user alice removed")
            #expect(!records.contains { $0.error_message?.contains(key) == true })
        }
    }

    @Test("The last active administrator can neither be removed, nor demoted, nor shut out")
    func lastAdministrator() async throws {
        try await AdministrationDoor.with { door in
            #expect(try await door(.patch, "/security/users/admin_user", #"{"role":"guest"}"#).status == 200)
            for (method, body) in [
                (HTTPRequest.Method.delete, nil as String?), (.patch, #"{"role":"developer"}"#), (.patch, #"{"is_active":false}"#),
                (.patch, #"{"is_active":false,"role":"admin","username":"x"}"#),
            ] {
                let refused = try await door(method, "/security/users/admin", body)
                #expect(refused.status == 409 && refused.code == "last_administrator")
            }
            let admin = try await door(.get, "/security/users/admin").body["user"]
            #expect(admin?["is_active"] == true && admin?["username"] == "Administrator", "nothing of it was done")
            #expect(try await door.records().last?.status == "error")
        }
    }

    @Test("Roles are made, changed whole or not at all, and kept while somebody has them")
    func roles() async throws {
        try await AdministrationDoor.with { door in
            let made = try await door(.post, "/security/roles", #"{"role":"librarian","permissions":["read_file"],"description":"reads"}"#)
            #expect(made.status == 201 && made.body["role"]?["permissions"] == ["read_file"])
            let changed = try await door(
                .patch, "/security/roles/librarian", #"{"grant":["list_files","git_log"],"revoke":["read_file"],"description":"lists"}"#)
            #expect(changed.body["role"]?["permissions"] == ["list_files", "git_log"] && changed.body["role"]?["description"] == "lists")
            #expect(try await door(.patch, "/security/roles/librarian", #"{"grant":["write_file","no_such"]}"#).status == 404)
            #expect(try await door(.get, "/security/roles/librarian").body["role"]?["permissions"]?.arrayValue?.count == 2)
            _ = try await door(.post, "/security/users", #"{"user_id":"bo","role":"librarian"}"#)
            #expect(try await door(.delete, "/security/roles/librarian").code == "role_in_use")
            _ = try await door(.delete, "/security/users/bo")
            #expect(try await door(.delete, "/security/roles/librarian").status == 204)
            #expect(try await door(.delete, "/security/roles/guest").code == "system_role")
            #expect(try await door(.patch, "/security/roles/admin", #"{"revoke":["read_file"]}"#).code == "system_role")
        }
    }

    @Test("A key is told once and by nobody kept; rotated, the old one ends at once, or goes on for its grace")
    func keys() async throws {
        try await AdministrationDoor.with { door in
            _ = try await door(.post, "/security/users", #"{"user_id":"carol","role":"admin"}"#)
            let made = try await door(.post, "/security/keys", #"{"user_id":"carol","name":"laptop","expires_in_days":30}"#)
            #expect(made.status == 201 && made.headers[.cacheControl] == "no-store")
            let first = try #require(made.body["key"]?["key"]?.stringValue)
            let prefix = try #require(made.body["key"]?["prefix"]?.stringValue)
            #expect(first.hasPrefix(prefix))
            #expect(made.body["key"]?["memory"] == false)
            let remembering = try await door(.patch, "/security/keys/\(prefix)", #"{"memory":true}"#)
            #expect(remembering.status == 200 && remembering.body["key"]?["memory"] == true && remembering.body["key"]?["key"] == nil)
            #expect(try await door(.patch, "/security/keys/nothing", #"{"memory":true}"#).status == 404)
            let rotated = try await door(.post, "/security/keys/\(prefix)/rotate", #"{"grace_seconds":600}"#)
            #expect(rotated.body["key"]?["memory"] == true)
            let second = try #require(rotated.body["key"]?["key"]?.stringValue)
            #expect(rotated.body["key"]?["old_key_until"]?.stringValue != nil)
            #expect(try await door(.get, "/security/users", key: first).status == 200)
            #expect(try await door(.get, "/security/users", key: second).status == 200)
            #expect(try await door(.post, "/security/keys/\(prefix)/rotate").code == "key_replaced")
            let next = try #require(rotated.body["key"]?["prefix"]?.stringValue)
            let third = try await door(.post, "/security/keys/\(next)/rotate")
            #expect(third.status == 201 && third.body["key"]?["old_key_until"] == nil)
            #expect(try await door(.get, "/security/users", key: second).status == 401)
            #expect(try await door(.delete, "/security/keys/\(prefix)").status == 204)
            #expect(try await door(.get, "/security/users", key: first).status == 401)
            #expect(try await door(.delete, "/security/keys/\(prefix)").status == 404)
            let listed = try await door(.get, "/security/keys").body["keys"]?.arrayValue ?? []
            #expect(listed.count == 3 && listed.allSatisfy { $0["key"] == nil && $0["hash"] == nil })
            #expect(listed[0]["replaced_by"]?.stringValue == next)
        }
    }

    @Test(
        "Fields that are not known, of the wrong type, or hold what no name can be are 422, and nothing is changed",
        arguments: [
            ("POST", "/security/users", #"{"user_id":"x","role":"guest","is_admin":true}"#),
            ("POST", "/security/users", #"{"user_id":"x"}"#), ("POST", "/security/users", #"{"user_id":7,"role":"guest"}"#),
            ("POST", "/security/users", #"{"user_id":"a b","role":"guest"}"#),
            ("POST", "/security/users", #"{"user_id":"service","role":"guest"}"#),
            ("POST", "/security/users", #"{"user_id":"../x","role":"guest"}"#),
            ("POST", "/security/users", #"{"user_id":"x","role":"guest","username":"a\nb"}"#),
            ("POST", "/security/users", #"{"user_id":"x","role":"guest","username":"  "}"#),
            ("PATCH", "/security/users/dev_user", "{}"), ("PATCH", "/security/users/dev_user", #"{"is_active":"no"}"#),
            ("PATCH", "/security/users/dev_user", #"{"role":"guest","user_id":"z"}"#),
            ("POST", "/security/roles", #"{"role":"가"}"#), ("POST", "/security/roles", #"{"role":"x","is_system":true}"#),
            ("POST", "/security/roles", #"{"role":"x","permissions":"read_file"}"#),
            ("POST", "/security/roles", #"{"role":"x","description":"‮evil"}"#), ("PATCH", "/security/roles/guest", "{}"),
            ("POST", "/security/keys", #"{"user_id":"dev_user","expires_in_days":0}"#),
            ("POST", "/security/keys", #"{"user_id":"dev_user","key":"maru_mine"}"#),
            ("POST", "/security/keys", #"{"user_id":"dev_user","memory":"on"}"#),
            ("POST", "/security/keys/x/rotate", #"{"grace_seconds":9999999}"#),
            ("PATCH", "/security/keys/x", "{}"), ("PATCH", "/security/keys/x", #"{"memory":1}"#),
            ("POST", "/security/validate", #"{"tool":"read_file","code":"1"}"#),
            ("POST", "/security/execute", #"{"code":"1","sandbox":false}"#),
        ])
    func refused(method: String, path: String, body: String) async throws {
        try await AdministrationDoor.with { door in
            let before = try await (door(.get, "/security/users").body, door(.get, "/security/roles").body)
            let answer = try await door(try #require(HTTPRequest.Method(method)), path, body)
            #expect(answer.status == 422 && answer.code == "invalid_value", "\(answer.body)")
            #expect(try await door(.get, "/security/users").body == before.0)
            #expect(try await door(.get, "/security/roles").body == before.1)
            #expect(try await door(.get, "/security/keys").body["keys"] == [])
        }
    }

    @Test("A field that stands twice is refused: readers would disagree about what was asked")
    func twice() async throws {
        try await AdministrationDoor.with { (door: AdministrationDoor) async throws in
            #expect(try await door(.post, "/security/users", #"{"user_id":"x","role":"guest","role":"admin"}"#).status == 400)
        }
    }

    @Test("Sessions are listed with who holds them, ended one by one, and all together when their user goes")
    func sessions() async throws {
        try await AdministrationDoor.with { door in
            let sessions = door.service.mcp.sessions
            let dev = try await sessions.open(Caller(id: "dev_user", role: .developer), revision: .november2025, capabilities: [:])
            _ = try await sessions.open(Caller(id: "guest_user", role: .guest), revision: .june2025, capabilities: [:])
            _ = try await door.service.calls.call(
                ToolCall(
                    tool: "read_file", arguments: ["path": "README.md"], caller: Caller(id: "dev_user", role: .developer),
                    origin: CallOrigin(sessionID: dev.id)))
            let listed = try await door(.get, "/security/sessions").body
            #expect(listed["total_sessions"] == 2)
            let row = try await door(.get, "/security/sessions/\(dev.id)").body["session"]
            #expect(row?["user_id"] == "dev_user" && row?["execution_count"] == 1 && row?["protocol_version"] == "2025-11-25")
            #expect((row?["age_seconds"]?.intValue ?? -1) >= 0)
            #expect(try await door(.delete, "/security/sessions/\(dev.id)").status == 204)
            #expect(try await door(.delete, "/security/sessions/\(dev.id)").status == 404)
            #expect(try await door.records().last?.error_message?.contains(dev.id) == false)
            #expect(try await door(.delete, "/security/users/guest_user").status == 204)
            #expect(try await door(.get, "/security/sessions").body["total_sessions"] == 0)
            let cleaned = try await door(.post, "/security/sessions/cleanup").body["cleanup_result"]
            #expect(cleaned == ["sessions_before": 0, "sessions_after": 0, "cleaned_up": 0])
        }
    }

    @Test("validate says what would become of a call of anybody's, and makes none")
    func validate() async throws {
        try await AdministrationDoor.with { door in
            func verdict(_ body: String) async throws -> JSONValue {
                try await door(.post, "/security/validate", body).body["validation"] ?? .null
            }
            let fine = try await verdict(#"{"tool":"write_file","arguments":{"path":"a","content":"b"},"user_id":"dev_user"}"#)
            #expect(fine["valid"] == true && fine["needs_approval"] == true && fine["security_level"] == "high")
            let denied = try await verdict(#"{"tool":"write_file","arguments":{"path":"a","content":"b"},"user_id":"guest_user"}"#)
            #expect(denied["valid"] == false && denied["error_type"] == "permission_denied" && denied["status"] == 403)
            let bad = try await verdict(#"{"tool":"read_file","arguments":{"pth":"a"},"user_id":"guest_user"}"#)
            #expect(bad["error_type"] == "invalid_value" && bad["parameter"] == "pth")
            #expect(try await verdict(#"{"tool":"rm_rf"}"#)["error_type"] == "unknown_tool")
            #expect(try await verdict(#"{"tool":"read_file","arguments":{"path":"a"},"user_id":"nobody"}"#)["valid"] == false)
            #expect(try await verdict(#"{"tool":"read_file","arguments":{"path":"a"}}"#)["needs_approval"] == false)
            #expect(try await verdict(#"{"code":"print(1)"}"#)["tool_name"] == "execute_python")
            #expect(try await door.guards.audit.list(AuditFilter(limit: 10)).isEmpty)
            #expect(door.guards.limiter.entryCount == 0)
        }
    }

    @Test("weakness_13_execute_is_the_tool_itself_with_everything_that_stands_before_it")
    func weakness_13_execute() async throws {
        try await AdministrationDoor.with { door in
            let answer = try await door(.post, "/security/execute", #"{"code":"print(1)"}"#)
            #expect(answer.status == 403 && answer.body["approval_required"] == true)
            #expect(try await door.guards.audit.list(AuditFilter(tool: "execute_python")).first?.action == "approval_requested")
            #expect(try await door(.post, "/security/execute", #"{"code":"1","session_id":"a b"}"#).status == 422)
        }
    }
}
