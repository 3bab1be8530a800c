import Foundation

/// Which names hold secrets, wherever they lie. Names are compared part by part and without regard to case, never as pieces of a longer
/// word: `docs/administrator-guide.md` is a document.
enum SecretNames {
    private static let exact: Set<String> = [
        ".ssh", ".aws", ".azure", ".gnupg", ".kube", ".gcloud", ".password-store", ".netrc", "_netrc", ".npmrc", ".yarnrc.yml", ".pypirc",
        ".pgpass", ".my.cnf", ".git-credentials", ".dockercfg", ".htpasswd", ".vault-token", ".boto", ".s3cfg", ".terraformrc",
        "terraform.rc", ".bash_history", ".zsh_history", ".python_history", ".psql_history", ".mysql_history", "service-account.json",
    ]
    private static let endings = [
        ".key", ".pem", ".p12", ".pfx", ".kdbx", ".jks", ".keystore", ".ppk", ".tfstate", ".tfstate.backup",
    ]
    private static let privateKeys = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_xmss"]
    private static let examples: Set<String> = [".env.example", ".env.sample", ".env.template", ".env.dist"]
    /// Two parts in a row.
    private static let pairs: Set<String> = [
        ".docker/config.json", ".config/gcloud", ".config/gh", ".config/hub", ".config/git", ".cargo/credentials",
        ".cargo/credentials.toml",
        ".gem/credentials", ".m2/settings.xml", ".composer/auth.json",
    ]
    /// Endings of files that speak of credentials rather than hold them.
    private static let prose: Set<String> = [
        "swift", "py", "go", "rs", "js", "ts", "jsx", "tsx", "java", "kt", "c", "h", "cc", "cpp", "hpp", "cs", "rb", "php", "html", "css",
        "md", "rst", "adoc",
    ]

    /// Whether something of this name, or what lies in it, is a secret.
    ///
    /// - Parameter parts: the path's parts from a root on.
    static func match(_ parts: [String]) -> Bool {
        parts.indices.contains { matchLast(of: parts[...$0]) }
    }

    /// The same of the last part alone, for walks that have judged the parts before it.
    static func matchLast(of parts: ArraySlice<String>) -> Bool {
        guard let last = parts.last.map(folded) else { return false }
        if isSecret(last) { return true }
        if let parent = parts.dropLast().last, pairs.contains("\(folded(parent))/\(last)") { return true }
        // Addresses of remotes may carry tokens; those of submodules lie in folders of their own below .git/modules.
        guard ["config", "config.worktree", "fetch_head"].contains(last) else { return false }
        return parts.dropLast().contains { folded($0) == ".git" }
    }

    /// Whether it belongs to git itself, whose hooks and settings are programs that others run: never written.
    static func isGitFolder(_ parts: [String]) -> Bool {
        parts.contains { part in
            // As file systems may read the name: without characters that cannot be seen, ending dots and spaces, or shortened (CVE-2014-9390).
            let name = folded(part).trimmingSuffix { $0 == "." || $0 == " " }
            return name == ".git" || name == "git~1" || name.hasPrefix(".git:")
        }
    }

    private static func isSecret(_ name: String) -> Bool {
        if exact.contains(name) { return true }
        if name.hasPrefix(".env") { return !examples.contains(name) }
        if endings.contains(where: name.hasSuffix) { return true }
        if privateKeys.contains(where: name.hasPrefix) { return true }
        return name.hasPrefix("credentials") && !prose.contains(name.split(separator: ".").last.map(String.init) ?? "")
    }

    private static func folded(_ name: String) -> String {
        if name.utf8.allSatisfy({ $0 < 0x80 }) { return name.lowercased() }
        let seen = name.unicodeScalars.filter { !$0.properties.isDefaultIgnorableCodePoint }
        return String(String.UnicodeScalarView(seen)).precomposedStringWithCompatibilityMapping.lowercased()
    }
}

extension String {
    fileprivate func trimmingSuffix(_ isTrimmed: (Character) -> Bool) -> Substring {
        var text = self[...]
        while let last = text.last, isTrimmed(last) { text.removeLast() }
        return text
    }
}
