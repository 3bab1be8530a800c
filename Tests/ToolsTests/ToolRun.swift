import Foundation
import ServiceKit
import Subprocess
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Tools

/// A workspace in a scratch folder, and calls of its tools as they arrive from outside: arguments checked against the schema.
struct ToolBench: Sendable {
    /// Around the workspace: what lies here must stay out of reach.
    let outside: FilePath
    let root: FilePath
    let workspace: Workspace

    static func with<Value>(usesKernel: Bool = true, _ body: (ToolBench) async throws -> Value) async throws -> Value {
        try await withScratchFolder { folder in
            let real = Workspace.real(folder)
            let bench = ToolBench(
                outside: real, root: real.appending("space"),
                workspace: Workspace(
                    roots: [real.appending("space")], hidden: [real.appending("space/data")], readOnly: [],
                    opener: BeneathOpener(usesKernel: usesKernel)))
            try FileManager.default.createDirectory(atPath: bench.root.string, withIntermediateDirectories: true)
            return try await body(bench)
        }
    }

    func write(_ path: String, _ text: String) throws {
        let path = root.pushing(FilePath(path)).lexicallyNormalized()
        try FileManager.default.createDirectory(atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path.string))
    }

    func text(_ path: String) throws -> String { try String(contentsOfFile: root.pushing(FilePath(path)).string, encoding: .utf8) }

    func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: root.appending(path).string, withDestinationPath: target)
    }

    @discardableResult
    func call(_ name: String, _ arguments: JSONValue) async throws -> JSONValue {
        let (tool, checked) = try found(name, arguments)
        return try await tool.run(checked, ToolContext(caller: Caller(id: "a", role: .admin))).structured
    }

    func preview(_ name: String, _ arguments: JSONValue) async throws -> String? {
        let (tool, checked) = try found(name, arguments)
        return try await tool.preview(checked, ToolContext(caller: Caller(id: "a", role: .admin)))
    }

    private func found(_ name: String, _ arguments: JSONValue) throws -> (any Tool, ToolArguments) {
        let descriptor = try #require(ToolCatalogue[name])
        let tools = FileTools.all(workspace) + GitTools.all(workspace)
        return (try #require(tools.first { $0.name == name }), try ToolArguments(arguments, for: descriptor))
    }

    /// The error that a call ends with.
    func refusal(_ name: String, _ arguments: JSONValue, _ location: SourceLocation = #_sourceLocation) async throws -> ServiceError {
        let error = await #expect(throws: ServiceError.self, sourceLocation: location) { try await call(name, arguments) }
        return try #require(error)
    }

    /// Runs the real git as a user would.
    @discardableResult
    func git(_ arguments: String..., in folder: String = ".") async throws -> String {
        let result = try await Subprocess.run(
            .name("git"), arguments: Arguments(["-c", "user.name=T", "-c", "user.email=t@localhost"] + arguments),
            environment: .inherit.updating(["GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"]),
            workingDirectory: root.pushing(FilePath(folder)), output: .string(limit: 1 << 20), error: .string(limit: 1 << 16))
        try #require(result.terminationStatus.isSuccess, "\(result.standardError)")
        return result.standardOutput
    }
}
