import Foundation
import SystemPackage

/// An open file or folder, closed when the last holder lets go. What is decided is decided on it, never on a name: between two looks at a
/// name somebody may have put another file there.
final class Descriptor: Sendable {
    let raw: Int32

    /// Takes over a descriptor that a call returned.
    ///
    /// - Throws: the call's error, when it returned -1.
    init(_ raw: Int32) throws(Errno) {
        guard raw >= 0 else { throw Errno(rawValue: errno) }
        self.raw = raw
    }

    deinit { close(raw) }

    /// What kind of file it is, whose, how large.
    func status() throws(Errno) -> stat {
        var status = stat()
        guard fstat(raw, &status) == 0 else { throw Errno(rawValue: errno) }
        return status
    }

    /// Where the file really is, as the kernel knows it now.
    ///
    /// - Throws: the kernel's error; `ENOENT` when it has been removed.
    func realPath() throws(Errno) -> FilePath {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        #if os(Linux)
            let length = readlink("/proc/self/fd/\(raw)", &buffer, Int(PATH_MAX))
            guard length > 0 else { throw Errno(rawValue: errno) }
            let bytes = buffer[..<length].map { UInt8(bitPattern: $0) }
        #else
            guard fcntl(raw, F_GETPATH, &buffer) == 0 else { throw Errno(rawValue: errno) }
            let bytes = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        #endif
        return FilePath(String(decoding: bytes, as: UTF8.self))
    }

    /// Everything, to the end or to `limit` bytes, whichever comes first.
    func read(limit: Int) throws(Errno) -> Data {
        var data = Data()
        var offset: off_t = 0
        while data.count < limit {
            let piece = try read(at: offset, count: min(1 << 18, limit - data.count))
            if piece.isEmpty { break }
            data += piece
            offset += off_t(piece.count)
        }
        return data
    }

    /// At most `count` bytes from an offset.
    func read(at offset: off_t, count: Int) throws(Errno) -> Data {
        var buffer = Data(count: count)
        let length = buffer.withUnsafeMutableBytes { pread(raw, $0.baseAddress, count, offset) }
        guard length >= 0 else { throw Errno(rawValue: errno) }
        return buffer.prefix(length)
    }

    func write(_ data: Data) throws(Errno) {
        var rest = data[...]
        while !rest.isEmpty {
            let length = rest.withUnsafeBytes { Foundation.write(raw, $0.baseAddress, $0.count) }
            if length < 0 {
                guard errno == EINTR else { throw Errno(rawValue: errno) }
                continue
            }
            rest = rest.dropFirst(length)
        }
    }

    func synchronize() throws(Errno) {
        guard fsync(raw) == 0 else { throw Errno(rawValue: errno) }
    }
}

extension stat {
    var kind: mode_t { st_mode & S_IFMT }
    var isFolder: Bool { kind == S_IFDIR }
    var isFile: Bool { kind == S_IFREG }
    var isLink: Bool { kind == S_IFLNK }
}
