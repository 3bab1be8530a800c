import Foundation
import Subprocess

/// A GPU as its driver tells of it.
public struct GPU: Sendable, Equatable {
    public let name: String
    /// In bytes; `nil` where the driver tells no figure.
    public let memory: UInt64?
    /// Of it, in use by whomever; in bytes.
    public let memoryUsed: UInt64?

    public init(name: String, memory: UInt64?, memoryUsed: UInt64?) {
        self.name = name
        self.memory = memory
        self.memoryUsed = memoryUsed
    }

    /// What the driver's command is asked for; ``told(_:)`` reads what it prints.
    public static let query = ["--query-gpu=memory.total,memory.used,name", "--format=csv,noheader,nounits"]

    /// The GPUs that NVIDIA's driver knows, as they are now; none where there is no driver, or it is in trouble.
    public static func all() async -> [GPU] {
        // A driver in trouble keeps it waiting for good.
        let result = try? await withDeadline(.seconds(10)) {
            try await Subprocess.run(.name("nvidia-smi"), arguments: Arguments(query), output: .string(limit: 1 << 16))
        }
        guard let result, result.terminationStatus.isSuccess else { return [] }
        return told(result.standardOutput)
    }

    /// GPUs from lines of total MiB, used MiB and name; a device that does not know its memory says `[N/A]`.
    public static func told(_ text: String) -> [GPU] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let fields = line.split(separator: ",", maxSplits: 2).map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.count == 3 else { return nil }
            let memory = bytes(fields[0]).flatMap { $0 > 0 ? $0 : nil }
            return GPU(name: fields[2], memory: memory, memoryUsed: bytes(fields[1]))
        }
    }

    private static func bytes(_ mebibytes: String) -> UInt64? { UInt64(mebibytes).flatMap { $0 < 1 << 30 ? $0 << 20 : nil } }
}
