import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// A file's place for writing: the folder is open, the name is not.
struct WritePlace: Sendable {
    let folder: OpenedPlace
    let fileName: String
    /// What is there by now.
    let existing: stat?
    let name: String
}

extension Workspace {
    /// Opens the folder of a file that is to be written.
    ///
    /// - Parameter makesFolders: whether folders that are missing are made; without, they are reported as `nil`.
    /// - Returns: `nil` when the folder is missing and may not be made.
    /// - Throws: 403 outside of the workspace, for secrets, for git's own files and for links; 422 for what is no file.
    func openForWriting(_ path: String, from workingFolder: String?, makesFolders: Bool) throws -> WritePlace? {
        let place = try place(path, from: workingFolder)
        var parts = place.way.split(separator: "/").map(String.init)
        guard let last = parts.popLast(), last != "..", !path.hasSuffix("/") else {
            throw ServiceError(.unprocessableContent, code: "not_a_file", "\(PathRules.shown(path)) names a folder.", parameter: "path")
        }
        try checkWritable(place)
        let above = Place(root: place.root, way: parts.joined(separator: "/"), given: path)
        guard let folder = makesFolders ? try makeFolder(above) : try existingFolder(above) else { return nil }
        // As the folder spells it, if Unicode calls the names equal: no second file beside the first that looks the same.
        let fileName = spelled(last, below: folder.descriptor)
        let target = Self.joined(folder.root, folder.parts + [fileName])
        guard !isWriteDenied(target) else { throw PathRules.secret(path) }
        let existing = try? folder.descriptor.status(of: fileName)
        if let existing {
            guard !existing.isLink else {
                throw PathRules.denied("Path traversal blocked: \(PathRules.shown(path)) is a link; write to what it points at.")
            }
            guard existing.isFile else {
                throw ServiceError(
                    .unprocessableContent, code: "not_a_file", "\(PathRules.shown(path)) is there and is no file.", parameter: "path")
            }
            guard existing.st_mode & 0o222 != 0 else {
                throw PathRules.denied("System path access blocked: \(PathRules.shown(path)) is write-protected.")
            }
        }
        return WritePlace(
            folder: folder, fileName: fileName, existing: existing, name: shownName(folder.parts + [fileName], root: place.root))
    }

    /// Replaces a file whole: what was there stays until the new one is complete and on the disk. Keeps the mode of what was there.
    ///
    /// - Throws: 403 when the folder has been moved out of the workspace meanwhile, 507 when there is no room.
    func write(_ data: Data, to place: WritePlace, given: String) throws {
        let folder = place.folder.descriptor
        let temporary = ".maru-\(UUID().uuidString).tmp"
        do {
            let file = try Descriptor(openat(folder.raw, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600))
            do {
                try file.write(data)
                guard fchmod(file.raw, place.existing.map { $0.st_mode & 0o777 } ?? 0o644) == 0 else { throw Errno(rawValue: errno) }
                try file.synchronize()
                let now = try folder.realPath()
                guard now == place.folder.path, !isWriteDenied(now.appending(place.fileName)) else { throw PathRules.outside(given) }
                guard renameat(folder.raw, temporary, folder.raw, place.fileName) == 0 else { throw Errno(rawValue: errno) }
            } catch {
                unlinkat(folder.raw, temporary, 0)
                throw error
            }
            try folder.synchronize()
        } catch let error as Errno {
            throw Self.refusal(error, given)
        }
    }

    /// Opens a folder and makes what is missing of it, part by part, each in the open one above.
    func makeFolder(_ place: Place) throws -> OpenedPlace {
        try checkWritable(place)
        if let there = try existingFolder(place) { return there }
        var parts = place.way.split(separator: "/").map(String.init)
        guard let last = parts.popLast(), last != ".." else {
            throw ServiceError.notFound("\(PathRules.shown(place.given)) does not exist.")
        }
        let above = try makeFolder(Place(root: place.root, way: parts.joined(separator: "/"), given: place.given))
        let name = spelled(last, below: above.descriptor)
        guard !isWriteDenied(Self.joined(above.root, above.parts + [name])) else { throw PathRules.secret(place.given) }
        do {
            guard mkdirat(above.descriptor.raw, name, 0o755) == 0 || errno == EEXIST else { throw Errno(rawValue: errno) }
            let made = try opener.open(name, below: above.descriptor, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
            return try judged(made, root: openRoot(place), place)
        } catch let error as Errno {
            throw Self.refusal(error, place.given)
        }
    }

    func existingFolder(_ place: Place) throws -> OpenedPlace? {
        do {
            let folder = try open(place, O_RDONLY)
            guard folder.status.isFolder else { throw Self.notAFolder(place.given) }
            return folder
        } catch let error as ServiceError where error.status == .notFound && FileManager.default.fileExists(atPath: place.root.string) {
            return nil
        }
    }

    private func checkWritable(_ place: Place) throws {
        try checkWords(place)
        guard !SecretNames.isGitFolder(place.way.split(separator: "/").map(String.init)) else {
            throw PathRules.denied(
                "Sensitive file access blocked: \(PathRules.shown(place.given)) belongs to git, whose hooks and settings are programs; the git tools "
                    + "change it.")
        }
        guard !isWriteDenied(place.path) else { throw PathRules.secret(place.given) }
    }
}
