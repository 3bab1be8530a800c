import Foundation
import HTTPTypes
import ServiceKit
import SystemPackage

/// A program for the sandbox.
public struct SandboxRun: Sendable {
    /// The program, by name or by a path inside the sandbox, and its arguments.
    public var command: [String]
    /// Its standard input.
    public var input: [UInt8]
    public var limits: SandboxLimits
    /// What it sees of the workspace; nothing without one.
    public var view: WorkspaceView?

    public init(_ command: [String], input: [UInt8] = [], limits: SandboxLimits, view: WorkspaceView? = nil) {
        self.command = command
        self.input = input
        self.limits = limits
        self.view = view
    }
}

/// A folder of the workspace as a sandboxed program sees it: under its own name, to be read and not written.
public struct WorkspaceView: Sendable {
    /// The folder that is seen, without links.
    public var root: FilePath
    /// Where the program starts: ``root`` or a folder in it.
    public var workingFolder: FilePath
    /// Files and folders below ``root`` that are not to be seen.
    public var hidden: [Hidden]

    public struct Hidden: Sendable {
        public var path: FilePath
        public var isFolder: Bool

        public init(_ path: FilePath, isFolder: Bool) {
            self.path = path
            self.isFolder = isFolder
        }
    }

    public init(root: FilePath, workingFolder: FilePath, hidden: [Hidden]) {
        self.root = root
        self.workingFolder = workingFolder
        self.hidden = hidden
    }

    /// Where root runs the sandbox, the program belongs to another user, who can enter what is open to everybody.
    ///
    /// - Throws: 409 for a folder that is not.
    func checkIsOpen() throws {
        var folder = root
        for part in [nil] + workingFolder.components.dropFirst(root.components.count).map(Optional.some) {
            if let part { folder.append(part) }
            var status = stat()
            guard stat(folder.string, &status) == 0, status.st_mode & 0o005 == 0o005 else {
                throw ServiceError.conflict(
                    "\(folder) is closed to other users, and as root a run belongs to a user of its own. Open it (chmod o+rx), or run the stack as a user.",
                    code: "workspace_not_readable")
            }
        }
    }
}

/// What came of a run.
public struct SandboxResult: Sendable {
    /// The limit that a run was ended by, or that its program ran into.
    public enum Limit: String, Sendable, CaseIterable {
        /// Seconds on the clock.
        case time
        /// Seconds of processor time.
        case cpu
        case memory
        case output
        case processes
        case fileSize = "file_size"
    }

    public let out: String
    public let err: String
    /// The program's exit status; 128 and the number of the signal that ended it; 124 when time was up, as timeout(1) says it.
    public let status: Int
    public let limit: Limit?
    public let duration: Duration
}
