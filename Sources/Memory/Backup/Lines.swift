import Foundation
import SystemPackage

/// Writes a file line by line, readable by its owner alone. Blocks.
final class LineWriter {
    private let file: FileDescriptor
    private var buffer: [UInt8] = []

    init(_ path: FilePath) throws {
        file = try FileDescriptor.open(path, .writeOnly, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
    }

    deinit { try? file.close() }

    func write(_ line: some StringProtocol) throws {
        buffer += Array(line.utf8) + [UInt8(ascii: "\n")]
        if buffer.count > 1 << 18 { try flush() }
    }

    /// Ends the file once it is on the disk.
    func close() throws {
        try flush()
        guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) }
    }

    private func flush() throws {
        try file.writeAll(buffer)
        buffer.removeAll(keepingCapacity: true)
    }
}

/// Reads a file line by line. Blocks.
final class LineReader {
    private let file: FileHandle
    private var buffer = Data()

    init(_ path: FilePath) throws { file = try FileHandle(forReadingFrom: URL(filePath: path.string)) }

    deinit { try? file.close() }

    /// - Returns: `nil` at the end.
    func next() throws -> String? {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                defer { buffer = buffer[buffer.index(after: end)...] }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            guard let more = try file.read(upToCount: 1 << 18), !more.isEmpty else {
                guard !buffer.isEmpty else { return nil }
                defer { buffer = Data() }
                return String(decoding: buffer, as: UTF8.self)
            }
            buffer = Data(buffer) + more
        }
    }
}
