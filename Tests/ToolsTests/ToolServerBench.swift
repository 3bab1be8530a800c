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

@testable import Tools

/// A tool server of a test's own, with a workspace that holds one file.
func withToolServer(_ values: [String: String] = [:], _ body: (ToolsService, Guards, Settings) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let workspace = folder.appending("workspace")
        try FileManager.default.createDirectory(atPath: workspace.string, withIntermediateDirectories: true)
        try "hello\n".write(toFile: workspace.appending("README.md").string, atomically: true, encoding: .utf8)
        let settings = try await Settings.test(["PROJECT_ROOT": workspace.string].merging(values) { _, given in given }, folder: folder)
        try settings.dataFolders.create()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let database = try await SecurityDatabase.open(settings)
        let guards = try Guards(database, identities: Identities(database), settings: settings, logger: logger)
        let service = try await ToolsService(
            settings: settings, clients: SuiteClients(settings: settings, key: nil), guards: guards, logger: logger)
        try await body(service, guards, settings)
    }
}

/// The administration of such a server, reached with real keys.
struct AdministrationDoor: Sendable {
    struct Answer {
        let status: Int
        let body: JSONValue
        let headers: HTTPFields
        var code: String? { body["code"]?.stringValue }
    }

    let client: any TestClientProtocol
    let admin: String
    let service: ToolsService
    let guards: Guards

    static func with(_ values: [String: String] = [:], _ body: @escaping @Sendable (AdministrationDoor) async throws -> Void) async throws {
        try await withToolServer(values) { service, guards, settings in
            let admin = try KeyFile.admin(settings.dataFolders).readOrCreate()
            let authenticator = try KeyAuthenticator(settings: settings, identities: Identities(guards.database))
            let administration = AdministrationService(of: service, settings: settings)
            try await withRunning(administration, settings: settings, authenticator: authenticator) { client in
                try await body(AdministrationDoor(client: client, admin: admin, service: service, guards: guards))
            }
        }
    }

    func callAsFunction(_ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, key: String? = nil) async throws -> Answer {
        let headers: HTTPFields = [.authorization: "Bearer \(key ?? admin)", .contentType: "application/json"]
        return try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) { answer in
            let body = (try? JSONDecoder().decode(JSONValue.self, from: Data(answer.body.readableBytesView))) ?? .null
            return Answer(status: answer.status.code, body: body, headers: answer.headers)
        }
    }

    /// What the audit log says was done by the administration, oldest first.
    func records() async throws -> [AuditEntry] {
        try await guards.audit.list(AuditFilter(action: "administration", limit: 100)).reversed()
    }
}
