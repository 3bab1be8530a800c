import CLinux
import Foundation
import SystemPackage

/// Opens files below a folder and nowhere else: links may lead about inside, `..` may climb as far as the folder, nothing leads out.
struct BeneathOpener: Sendable {
    /// Links that one path may lead through, as in Linux (path_resolution(7)).
    private static let maxLinks = 40

    /// Whether the kernel is asked first; without, the walk in Swift is taken that systems without openat2 need.
    let usesKernel: Bool

    init(usesKernel: Bool = true) { self.usesKernel = usesKernel }

    /// - Parameters:
    ///   - path: below `folder`, parts separated by `/`; empty for the folder itself.
    ///   - flags: as for open(2); `O_CLOEXEC`, `O_NONBLOCK` and `O_NOCTTY` are added, so that no FIFO and no terminal holds the caller up.
    /// - Throws: `EXDEV` when the path leads out, otherwise the error of open(2).
    func open(_ path: String, below folder: Descriptor, _ flags: Int32) throws(Errno) -> Descriptor {
        let flags = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
        let path = path.isEmpty ? "." : path
        guard usesKernel else { return try walk(path, below: folder, flags) }
        // The kernel gives up with EAGAIN when something was renamed while it resolved a `..`.
        for _ in 0..<100 {
            do {
                return try Descriptor(clinux_open_beneath(folder.raw, path, flags, 0))
            } catch .resourceTemporarilyUnavailable {
                continue
            } catch .noFunction {
                return try walk(path, below: folder, flags)
            }
        }
        throw .resourceTemporarilyUnavailable
    }

    /// The same, part by part: each is opened in the descriptor of the one before without following links, links are read and put in the
    /// place of the part, `..` goes back to the descriptor that was there before. So no name is ever resolved twice.
    private func walk(_ path: String, below folder: Descriptor, _ flags: Int32) throws(Errno) -> Descriptor {
        var above = [folder]
        var rest = parts(of: path)
        var links = 0
        while let part = rest.popLast() {
            if part == "." { continue }
            if part == ".." {
                guard above.count > 1 else { throw .improperLink }
                above.removeLast()
                continue
            }
            guard let here = above.last else { break }
            if let target = try link(part, in: here) {
                links += 1
                guard links <= Self.maxLinks else { throw .tooManySymbolicLinkLevels }
                guard !target.hasPrefix("/") else { throw .improperLink }
                guard !(rest.isEmpty && flags & O_NOFOLLOW != 0) else { throw .tooManySymbolicLinkLevels }
                rest += parts(of: target)
                continue
            }
            let isLast = rest.allSatisfy { $0 == "." }
            above.append(
                try Descriptor(
                    openat(here.raw, part, isLast ? flags | O_NOFOLLOW : O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
        }
        guard let last = above.last else { throw .improperLink }
        // The path ended where a folder was already open: what the flags ask for is asked of it anew.
        return above.count > 1 && !path.hasSuffix("..") ? last : try Descriptor(openat(last.raw, ".", flags))
    }

    /// From last to first, as a stack.
    private func parts(of path: String) -> [String] { path.split(separator: "/").reversed().map(String.init) }

    private func link(_ name: String, in folder: Descriptor) throws(Errno) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlinkat(folder.raw, name, &buffer, buffer.count)
        if length < 0 {
            if errno == EINVAL { return nil }
            throw Errno(rawValue: errno)
        }
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
