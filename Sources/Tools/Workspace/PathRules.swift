import Foundation
import HTTPTypes
import ServiceKit

/// What is said of a path before anything is opened, and the words of refusals.
enum PathRules {
    /// As PATH_MAX and NAME_MAX of Linux.
    static let maxBytes = 4_095
    static let maxPartBytes = 255

    private static let systemFolders: Set<String> = [
        "etc", "root", "bin", "sbin", "lib", "lib64", "usr", "boot", "sys", "proc", "dev", "var", "run", "System", "Library", "private",
    ]
    private static let sensitiveFiles = [
        "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/sudoers", "/etc/hosts", "/etc/fstab", "/etc/crontab", "/etc/ssl",
        "/etc/ssh", "/root/.ssh", "/root/.bash_history", "/root/.bash_profile",
    ]

    /// - Parameter parameter: the argument that holds the path.
    /// - Throws: 422 for text that names no file, 403 for the paths of another system.
    static func check(_ path: String, parameter: String) throws {
        guard !path.isEmpty else {
            throw ServiceError.invalid("The argument “\(parameter)” is empty; it must name a path.", parameter: parameter)
        }
        guard !path.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) }) else {
            throw ServiceError.invalid("The path holds control characters: \(shown(path)).", parameter: parameter)
        }
        guard path.utf8.count <= maxBytes, path.split(separator: "/").allSatisfy({ $0.utf8.count <= maxPartBytes }) else {
            throw ServiceError.invalid(
                "The path is too long: at most \(maxBytes) bytes, and \(maxPartBytes) in each of its parts.", parameter: parameter)
        }
        let isDrive = path.count > 1 && path.first?.isASCII == true && path.first?.isLetter == true && path.dropFirst().first == ":"
        guard !isDrive, !path.contains("\\"), !path.hasPrefix("//?/"), !path.hasPrefix("//./") else {
            throw denied("Windows system path blocked: \(shown(path)) is written as on Windows; parts of a path are separated by /.")
        }
    }

    /// 403 for a path that lies in no root, in the words that fit it.
    static func outside(_ path: String) -> ServiceError {
        let code = "path_outside_workspace"
        if sensitiveFiles.contains(where: { path == $0 || path.hasPrefix($0 + "/") }) {
            return denied("Sensitive file access blocked: \(shown(path)) lies outside the workspace.", code: code)
        }
        if path.hasPrefix("/"), let first = path.split(separator: "/").first, systemFolders.contains(String(first)) {
            return denied("System path access blocked: \(shown(path)) lies outside the workspace.", code: code)
        }
        return denied("Path traversal blocked: \(shown(path)) leads out of the workspace.", code: code)
    }

    /// 403 for what lies in the workspace and is nobody's to read.
    static func secret(_ path: String) -> ServiceError {
        denied("Sensitive file access blocked: \(shown(path)) is where secrets or the stack's own data lie; tools do not touch it.")
    }

    static func denied(_ message: String, code: String = "path_denied") -> ServiceError {
        ServiceError(.forbidden, code: code, message, parameter: "path")
    }

    /// A path in a sentence: short, on one line.
    static func shown(_ path: String) -> String {
        let clean = path.prefix(200).unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? "�" : String($0) }.joined()
        return "“\(clean)\(path.count > 200 ? "…" : "")”"
    }
}
