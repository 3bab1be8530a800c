import Foundation
import HTTPTypes
import ServiceKit
import Subprocess
import SystemPackage

/// A program that a tool runs: arguments without a shell, an environment of its own, limits of time and output. When it is cancelled or
/// passes a limit, its whole process group is killed.
struct BoundedProgram: Sendable {
    struct Output: Sendable {
        let out: Data
        let err: Data
        /// The exit status; 128 and the signal's number for a program that was killed, as shells say it.
        let status: Int
        /// Whether output was cut, and the program ended for it.
        let isCut: Bool

        var outText: String { String(decoding: out, as: UTF8.self) }
        var errText: String { String(decoding: err, as: UTF8.self) }
    }

    let name: String
    let environment: [String: String]
    /// Bytes of each output that are kept.
    var outputLimit = 1 << 20
    var timeLimit: Duration = .seconds(30)

    /// - Throws: 503 when the program cannot be run, 504 when it did not end in time.
    func run(_ arguments: [String], in folder: FilePath, input: [UInt8] = []) async throws -> Output {
        do {
            return try await withDeadline(timeLimit) { try await start(arguments, in: folder, input: input) }
        } catch let error as DeadlineExceeded {
            throw ServiceError(
                .gatewayTimeout, code: "timeout", "\(name) did not end within \(error.limit.seconds.formatted()) s and was stopped.")
        } catch let error as SubprocessError {
            throw ServiceError.unavailable("\(name) cannot be run: \(error). Is it installed?", code: "program_unavailable")
        }
    }

    private func start(_ arguments: [String], in folder: FilePath, input: [UInt8]) async throws -> Output {
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(10))]
        let limit = outputLimit
        let result = try await Subprocess.run(
            .name(name), arguments: Arguments(arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (.init(stringLiteral: $0), $1) })),
            workingDirectory: folder, platformOptions: options, input: .array(input), output: .sequence, error: .sequence
        ) { execution in
            let tooMuch: @Sendable () -> Void = { try? execution.send(signal: .kill, toProcessGroup: true) }
            async let err = Self.collect(execution.standardError, limit: min(limit, 1 << 16), tooMuch: {})
            let out = try await Self.collect(execution.standardOutput, limit: limit, tooMuch: tooMuch)
            return (out, try await err)
        }
        let status =
            switch result.terminationStatus {
            case .exited(let code): Int(code)
            case .signaled(let signal): 128 + Int(signal)
            }
        let ((out, isCut), (err, _)) = result.closureResult
        return Output(out: out, err: err, status: status, isCut: isCut)
    }

    /// Takes everything, so that the program never waits for a reader, and keeps the beginning.
    private static func collect(_ output: SubprocessOutputSequence, limit: Int, tooMuch: @Sendable () -> Void) async throws -> (Data, Bool)
    {
        var data = Data()
        var isCut = false
        for try await part in output {
            let room = limit - data.count
            part.withUnsafeBytes { data.append(contentsOf: $0.prefix(max(room, 0))) }
            if part.count > room, !isCut {
                isCut = true
                tooMuch()
            }
        }
        return (data, isCut)
    }
}
