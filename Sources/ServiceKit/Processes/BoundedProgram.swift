import Foundation
import HTTPTypes
import Subprocess
import Synchronization
import SystemPackage

/// A program that is run for somebody else: arguments without a shell, an environment of its own, limits of time and output. When it is
/// cancelled or passes a limit, its whole process group is killed.
public struct BoundedProgram: Sendable {
    /// How a program came to its end.
    public enum Ending: Sendable, Equatable {
        /// By itself, or by a signal that somebody else sent: the exit status; 128 and the signal's number, as shells say it.
        case exited(Int)
        case outOfTime
        /// It wrote more than is kept.
        case tooMuchOutput
        /// The one who watched it had it killed.
        case stopped
    }

    public struct Output: Sendable {
        /// The beginning of what it wrote, as far as the limit goes.
        public let out: Data
        public let err: Data
        public let ending: Ending

        public init(out: Data = Data(), err: Data = Data(), ending: Ending = .exited(0)) {
            (self.out, self.err, self.ending) = (out, err, ending)
        }

        /// The exit status; 137, as of a killed one, for a program that passed a limit.
        public var status: Int { if case .exited(let status) = ending { status } else { 137 } }
        /// Whether output was cut, and the program ended for it.
        public var isCut: Bool { ending == .tooMuchOutput }
        public var outText: String { String(decoding: out, as: UTF8.self) }
        public var errText: String { String(decoding: err, as: UTF8.self) }
    }

    /// A program that runs, for the one who watches it.
    public struct Running: Sendable {
        public let pid: Int32
        /// Kills its process group; the run then ends with ``Ending/stopped``.
        public let stop: @Sendable () -> Void
    }

    /// A name that is looked for on PATH, or an absolute path.
    public let name: String
    public let environment: [String: String]
    /// Bytes of standard output that are kept; a program that writes more is ended.
    public let outputLimit: Int
    /// Bytes of standard error that are kept; without a limit of its own the rest is passed over.
    public let errorLimit: Int?
    public let timeLimit: Duration

    public init(
        name: String, environment: [String: String], outputLimit: Int = 1 << 20, errorLimit: Int? = nil, timeLimit: Duration = .seconds(30)
    ) {
        self.name = name
        self.environment = environment
        self.outputLimit = outputLimit
        self.errorLimit = errorLimit
        self.timeLimit = timeLimit
    }

    /// - Throws: 503 when the program cannot be run, 504 when it did not end in time.
    public func run(_ arguments: [String], in folder: FilePath, input: [UInt8] = []) async throws -> Output {
        let output = try await runToEnd(arguments, in: folder, input: input)
        guard output.ending != .outOfTime else {
            throw ServiceError(
                .gatewayTimeout, code: "timeout", "\(name) did not end within \(timeLimit.seconds.formatted()) s and was stopped.")
        }
        return output
    }

    /// The same, with what was written until time was up.
    ///
    /// - Parameter watch: goes on beside the program, and is cancelled when that ends.
    /// - Throws: 503 when the program cannot be run.
    public func runToEnd(
        _ arguments: [String], in folder: FilePath, input: [UInt8] = [], watch: (@Sendable (Running) async -> Void)? = nil
    ) async throws -> Output {
        do {
            // What was killed lets go of its outputs; a program that left its group might not.
            return try await withDeadline(timeLimit + .seconds(5)) { try await start(arguments, in: folder, input: input, watch) }
        } catch is DeadlineExceeded {
            return Output(ending: .outOfTime)
        } catch let error as SubprocessError {
            throw ServiceError.unavailable("\(name) cannot be run: \(error). Is it installed?", code: "program_unavailable")
        }
    }

    private func start(
        _ arguments: [String], in folder: FilePath, input: [UInt8], _ watch: (@Sendable (Running) async -> Void)?
    ) async throws -> Output {
        BrokenPipes.failInsteadOfEnding()
        var options = PlatformOptions()
        options.processGroupID = 0
        options.teardownSequence = [.send(signal: .kill, toProcessGroup: true, allowedDurationToNextStep: .milliseconds(10))]
        let (limit, errorLimit, timeLimit) = (outputLimit, errorLimit, timeLimit)
        let result = try await Subprocess.run(
            name.hasPrefix("/") ? .path(FilePath(name)) : .name(name), arguments: Arguments(arguments),
            environment: .custom(Dictionary(uniqueKeysWithValues: environment.map { (.init(stringLiteral: $0), $1) })),
            workingDirectory: folder, platformOptions: options, input: .inputWriter, output: .sequence, error: .sequence
        ) { execution in
            let cause = Cause()
            let end: @Sendable (Ending) -> Void = { ending in
                if cause.set(ending) { try? execution.send(signal: .kill, toProcessGroup: true) }
            }
            let running = Running(pid: execution.processIdentifier.value, stop: { end(.stopped) })
            async let _: Void = {
                try? await Task.sleep(for: timeLimit)
                if !Task.isCancelled { end(.outOfTime) }
            }()
            async let _: Void? = watch?(running)
            async let _: Void = Self.feed(input, to: execution.standardInputWriter)
            return try await withTaskCancellationHandler {
                async let err = Self.collect(execution.standardError, limit: errorLimit ?? 1 << 16) {
                    if errorLimit != nil { end(.tooMuchOutput) }
                }
                let out = try await Self.collect(execution.standardOutput, limit: limit) { end(.tooMuchOutput) }
                return (out, try await err, cause.ending)
            } onCancel: {
                end(.stopped)
            }
        }
        try Task.checkCancellation()
        let status =
            switch result.terminationStatus {
            case .exited(let code): Int(code)
            case .signaled(let signal): 128 + Int(signal)
            }
        let (out, err, cause) = result.closureResult
        return Output(out: out, err: err, ending: cause ?? .exited(status))
    }

    /// Why a program was ended: the first reason counts.
    private final class Cause: Sendable {
        private let stored = Mutex<Ending?>(nil)

        var ending: Ending? { stored.withLock { $0 } }

        func set(_ ending: Ending) -> Bool {
            stored.withLock { stored in
                guard stored == nil else { return false }
                stored = ending
                return true
            }
        }
    }

    /// A program may end without having read it. Subprocess's own way of writing an array leaves the pipe open when it is cancelled, which
    /// it takes for a fault of its own and ends the process.
    private static func feed(_ input: [UInt8], to writer: StandardInputWriter) async {
        if !input.isEmpty { _ = try? await writer.write(input) }
        try? await writer.finish()
    }

    /// Takes everything, so that the program never waits for a reader, and keeps the beginning.
    private static func collect(_ output: SubprocessOutputSequence, limit: Int, tooMuch: @Sendable () -> Void) async throws -> Data {
        var data = Data()
        for try await part in output {
            let room = limit - data.count
            part.withUnsafeBytes { data.append(contentsOf: $0.prefix(max(room, 0))) }
            if part.count > room { tooMuch() }
        }
        return data
    }
}
