import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import NIOCore
import Security
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Tools

@Suite("The tool server")
struct ToolServerTests {
    @Test("The tool server keeps the contract of every service")
    func contract() async throws {
        try await withToolServer { service, _, settings in try await ServiceContract(service, settings: settings).check() }
    }

    @Test("weakness_13_so does_its_administration, and nothing there answers without a key")
    func weakness_13_administration() async throws {
        try await withToolServer { service, _, settings in
            try await ServiceContract(AdministrationService(of: service, settings: settings), settings: settings).check()
        }
    }

    @Test("weakness_14_19_a_call_goes_through_its_guards_and_leaves_one_decision_and_one_outcome")
    func weakness_14_19_calls() async throws {
        try await withToolServer { service, guards, settings in
            let authenticator = try KeyAuthenticator(settings: settings, identities: Identities(guards.database))
            try await withRunning(service, settings: settings, authenticator: authenticator) { client in
                func call(_ tool: String, _ body: String, user: String = "dev_user", approval: String? = nil) async throws -> (
                    Int, JSONValue
                ) {
                    var headers: HTTPFields = [.contentType: "application/json"]
                    if let name = HTTPField.Name("X-User-ID") { headers[name] = user }
                    if let name = HTTPField.Name("X-Approval-ID"), let approval { headers[name] = approval }
                    return try await client.execute(
                        uri: "/tools/\(tool)/call", method: .post, headers: headers, body: ByteBuffer(string: body)
                    ) { response in
                        (response.status.code, try JSONDecoder().decode(JSONValue.self, from: Data(response.body.readableBytesView)))
                    }
                }
                let read = try await call("read_file", #"{"arguments":{"path":"README.md"}}"#)
                #expect(read.0 == 200 && read.1["result"]?["content"]?.stringValue == "hello\n")
                #expect(try await call("read_file", #"{"path":"nowhere"}"#).0 == 404)
                #expect(try await call("write_file", #"{"path":"a","content":"b"}"#, user: "guest_user").0 == 403)
                #expect(try await call("no_such_tool", "{}").0 == 404)
                #expect(try await call("read_file", #"{"pth":"x"}"#).0 == 422)

                #expect(try await call("write_file", #"{"path":"../out","content":"b"}"#).0 == 403, "refused before anybody is asked")

                let asked = try await call("write_file", #"{"path":"made.txt","content":"b"}"#)
                #expect(asked.0 == 403 && asked.1["approval_required"]?.boolValue == true)
                let id = try #require(asked.1["request_id"]?.stringValue)
                _ = try await guards.decide(id)
                #expect(try await call("write_file", #"{"path":"made.txt","content":"c"}"#, approval: id).0 == 403)
                #expect(try await call("write_file", #"{"path":"made.txt","content":"b"}"#, approval: id).0 == 200)
                #expect(try await call("write_file", #"{"path":"made.txt","content":"b"}"#, approval: id).0 == 403)
            }
            let records = try await guards.records()
            #expect(records.filter { $0.action == "execute" }.map(\.status).sorted() == ["error", "success", "success"])
            #expect(records.contains { $0.user_id == "guest_user" && $0.status == "denied" })
            #expect(records.contains { $0.action == "approval_requested" })
            #expect(records.contains { $0.status == "denied" && $0.request_data?.contains("../out") == true })
        }
    }

    @Test("What is turned off stands in the health of the server")
    func turnedOff() async throws {
        try await withToolServer(["RBAC_ENABLED": "false"]) { service, _, _ in
            #expect(await service.health().facts["turned_off"] == ["RBAC_ENABLED"])
        }
    }
}

extension Guards {
    fileprivate func decide(_ id: String) async throws -> ApprovalRequest {
        try await approvals.decide(id, approve: true, by: Caller(id: "admin", role: .admin), reason: "test")
    }

    fileprivate func records() async throws -> [AuditEntry] { try await audit.list(AuditFilter(limit: 100)) }
}
