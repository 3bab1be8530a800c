import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// A file or folder of the workspace, open and judged.
struct OpenedPlace: Sendable {
    let descriptor: Descriptor
    let status: stat
    /// The root it lies in, without links.
    let root: FilePath
    /// The parts of its real path below the root.
    let parts: [String]
    /// How results name it: from the first root on, absolute in another.
    let name: String

    /// Where it really lay when it was judged.
    var path: FilePath { Workspace.joined(root, parts) }
}

extension Workspace {
    /// Opens a text file for reading.
    ///
    /// - Throws: 403 outside of the workspace and for secrets, 404, 422 for what is no file.
    func openFile(_ path: String, from workingFolder: String?) throws -> OpenedPlace {
        let opened = try open(place(path, from: workingFolder), O_RDONLY)
        guard !opened.status.isFolder else {
            throw ServiceError(.unprocessableContent, code: "not_a_file", "\(PathRules.shown(path)) is a folder.", parameter: "path")
        }
        try checkFile(opened, given: path)
        return opened
    }

    /// Opens a folder.
    ///
    /// - Throws: 403 outside of the workspace and for secrets, 404, 422 for what is no folder.
    func openFolder(_ path: String, from workingFolder: String?) throws -> OpenedPlace {
        let opened = try open(place(path, from: workingFolder), O_RDONLY)
        guard opened.status.isFolder else { throw Self.notAFolder(path) }
        return opened
    }

    /// The real path of a folder that a caller names: where a sandboxed command starts.
    ///
    /// - Parameter path: `working_dir`, or `nil` for the first root.
    /// - Throws: 403 outside of the workspace and for secrets, 404, 422 for what is no folder.
    public func folder(_ path: String?) throws -> FilePath { try openFolder(path ?? ".", from: nil).path }

    /// Opens what a place points at, below its root, and judges it by where it really lies.
    func open(_ place: Place, _ flags: Int32) throws -> OpenedPlace {
        try checkWords(place)
        let root = try openRoot(place)
        let descriptor: Descriptor
        do {
            descriptor = try openEither(place, below: root, flags)
        } catch {
            throw Self.refusal(error, place.given)
        }
        return try judged(descriptor, root: root, place)
    }

    /// Where an open descriptor is now, if that is a place for tools.
    func judged(_ descriptor: Descriptor, root: Descriptor, _ place: Place) throws -> OpenedPlace {
        do {
            let realRoot = try root.realPath()
            let real = try descriptor.realPath()
            let status = try descriptor.status()
            // The kernel marks names that are gone; what was opened is not what the name stands for.
            guard status.st_nlink > 0, !real.string.hasSuffix(" (deleted)") || FileManager.default.fileExists(atPath: real.string) else {
                throw Errno.noSuchFileOrDirectory
            }
            guard real.starts(with: realRoot) else { throw PathRules.outside(place.given) }
            let parts = real.parts(below: realRoot)
            guard !isDenied(real), !SecretNames.match(parts) else { throw PathRules.secret(place.given) }
            return OpenedPlace(
                descriptor: descriptor, status: status, root: realRoot, parts: parts, name: shownName(parts, root: place.root))
        } catch let error as Errno {
            throw Self.refusal(error, place.given)
        }
    }

    /// Whether a name in a folder that is open to tools is a secret.
    func isDenied(_ name: String, in folder: OpenedPlace) -> Bool {
        SecretNames.matchLast(of: (folder.parts + [name])[...]) || hidden.contains(folder.path.appending(name))
    }

    func openRoot(_ place: Place) throws -> Descriptor {
        do {
            return try Descriptor(Foundation.open(place.root.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        } catch {
            throw ServiceError.notFound("The workspace \(place.root) cannot be opened: \(error). Make it, or set PROJECT_ROOT.")
        }
    }

    /// Secrets are refused by their words alone, whether or not they exist.
    func checkWords(_ place: Place) throws {
        guard !isDenied(place.path), !SecretNames.match(place.way.split(separator: "/").map(String.init)) else {
            throw PathRules.secret(place.given)
        }
    }

    /// No device, no pipe; no file that may be another under a name that is not open to tools.
    func checkFile(_ opened: OpenedPlace, given: String) throws {
        guard opened.status.isFile else {
            throw ServiceError(
                .unprocessableContent, code: "not_a_file", "\(PathRules.shown(given)) is a device, a pipe or a socket.", parameter: "path")
        }
        guard opened.status.st_nlink == 1 || namesAreKnown(of: opened.status) else {
            throw PathRules.denied(
                "Sensitive file access blocked: \(PathRules.shown(given)) has another name (a hard link) that tools may not open; copy it to "
                    + "read it.")
        }
    }

    /// Opens the way as it is written, or as a name of the same letters composed otherwise: macOS writes Hangul decomposed.
    private func openEither(_ place: Place, below root: Descriptor, _ flags: Int32) throws(Errno) -> Descriptor {
        do {
            return try opener.open(place.way, below: root, flags)
        } catch .noSuchFileOrDirectory where !place.way.utf8.allSatisfy({ $0 < 0x80 }) {
            return try opener.open(spelled(place.way, below: root), below: root, flags)
        }
    }

    /// The way with each name as the folder spells it, where it has one that Unicode calls equal.
    func spelled(_ way: String, below root: Descriptor) -> String {
        var found: [String] = []
        for part in way.split(separator: "/").map(String.init) {
            let isPlain = part.utf8.allSatisfy { $0 < 0x80 }
            let folder = isPlain ? nil : try? opener.open(found.joined(separator: "/"), below: root, O_RDONLY | O_DIRECTORY)
            let names = (try? folder?.entries().map(\.name)) ?? []
            let exact = names.first { $0.utf8.elementsEqual(part.utf8) }
            found.append(exact ?? names.first { $0 == part } ?? part)
        }
        return found.joined(separator: "/")
    }

    func shownName(_ parts: [String], root: FilePath) -> String {
        if root == roots.first { return parts.isEmpty ? "." : parts.joined(separator: "/") }
        return Self.joined(root, parts).string
    }

    static func notAFolder(_ path: String) -> ServiceError {
        ServiceError(.unprocessableContent, code: "not_a_folder", "\(PathRules.shown(path)) is no folder.", parameter: "path")
    }

    /// The file system's refusal as a client sees it.
    static func refusal(_ error: Errno, _ path: String) -> ServiceError {
        let shown = PathRules.shown(path)
        switch error {
        case .improperLink: return PathRules.outside(path)
        case .noSuchFileOrDirectory: return .notFound("\(shown) does not exist.")
        case .notDirectory: return notAFolder(path)
        case .tooManySymbolicLinkLevels:
            return PathRules.denied("Path traversal blocked: \(shown) leads through a link that cannot be followed.")
        case .permissionDenied, .notPermitted, .readOnlyFileSystem:
            return PathRules.denied("System path access blocked: the user of this service may not open \(shown) that way.")
        case .fileNameTooLong: return .invalid("The path is too long.", parameter: "path")
        case .noSuchAddressOrDevice:
            return ServiceError(.unprocessableContent, code: "not_a_file", "\(shown) is a device, a pipe or a socket.", parameter: "path")
        case .noSpace, .diskQuotaExceeded:
            return ServiceError(
                .init(code: 507, reasonPhrase: "Insufficient Storage"), code: "no_space", "There is no room left for \(shown).")
        case .tooManyOpenFiles, .tooManyOpenFilesInSystem: return .unavailable("Too many files are open; try again.")
        default: return .unavailable("\(shown) cannot be opened: \(error).", code: "io_error")
        }
    }
}
