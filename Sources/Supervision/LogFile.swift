import Foundation
import ServiceKit
import SystemPackage

/// A log that a child's output is appended to; past a size it is set aside, and the oldest part goes.
actor LogFile {
    /// Bytes of one part.
    static let partSize = 10 << 20
    /// Parts that are kept besides the current one.
    static let parts = 5

    private let executor = BlockingExecutor("supervisor.log")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private let path: FilePath
    private let partSize: Int
    private var file: FileDescriptor?
    private var size = 0

    init(_ path: FilePath, partSize: Int = LogFile.partSize) {
        self.path = path
        self.partSize = partSize
    }

    /// A log lives as long as one life of its service: a descriptor that stayed open would be one more with every restart.
    deinit { try? file?.close() }

    /// Appends bytes as they are.
    ///
    /// - Throws: the file system's error.
    func append(_ bytes: some Sequence<UInt8> & Sendable) throws {
        if size >= partSize { try rotate() }
        let file = try opened()
        size += try file.writeAll(bytes)
    }

    private func opened() throws -> FileDescriptor {
        if let file { return file }
        let opened = try FileDescriptor.open(path, .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite])
        size = Int(try opened.seek(offset: 0, from: .end))
        file = opened
        return opened
    }

    private func rotate() throws {
        let full = file
        // Also where closing fails: what is closed twice may be somebody else's the second time.
        file = nil
        size = 0
        try full?.close()
        for part in stride(from: Self.parts - 1, through: 1, by: -1) { rename("\(path).\(part)", "\(path).\(part + 1)") }
        rename(path.string, "\(path).1")
    }
}
