import Foundation
import SystemPackage

/// A file that the kernel writes as it is read, such as those below `/proc`.
public enum KernelFile {
    /// The whole text; `nil` where there is no such file, or it may not be read.
    ///
    /// Such files have no size and come in pages, each read shorter than asked for. Foundation takes the first short read for the end, so
    /// of a table longer than a page it would give the beginning alone.
    public static func text(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(FilePath(path), .readOnly) else { return nil }
        defer { try? file.close() }
        var bytes: [UInt8] = []
        var page = [UInt8](repeating: 0, count: 65_536)
        while true {
            guard let count = try? page.withUnsafeMutableBytes({ try file.read(into: $0) }) else { return nil }
            if count == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes += page[..<count]
        }
    }
}
