import Foundation
import ServiceKit

/// What a repository's own configuration says, and what stands against it. Such a file may come from anybody; git runs programs that it
/// names in a dozen places (git-config(1)).
struct GitConfiguration: Sendable {
    /// Key, in git's spelling with section and name in small letters, and value.
    let entries: [(key: String, value: String)]

    /// - Parameter list: what `git config --list -z` said.
    init(list: Data) {
        entries = list.split(separator: 0).map { entry in
            let parts = String(decoding: entry, as: UTF8.self).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
        }
    }

    func value(_ key: String) -> String? { entries.last { $0.key == key }?.value }

    /// Settings that read other files as configuration.
    var includes: [String] { entries.map(\.key).filter { $0.hasPrefix("include.") || $0.hasPrefix("includeif.") } }

    /// Names in the middle of keys such as `filter.NAME.clean`.
    private func names(of section: String) -> Set<String> {
        Set(
            entries.compactMap { entry in
                guard entry.key.hasPrefix(section + "."), let end = entry.key.lastIndex(of: ".") else { return nil }
                let start = entry.key.index(entry.key.startIndex, offsetBy: section.count + 1)
                return start < end ? String(entry.key[start..<end]) : nil
            })
    }

    /// Everything that would run a program, turned off one by one: the command line's settings are the last word.
    var overrides: [(String, String)] {
        var overrides = Self.always
        for name in names(of: "filter").sorted() {
            overrides += [("filter.\(name).clean", ""), ("filter.\(name).smudge", ""), ("filter.\(name).process", "")]
            overrides.append(("filter.\(name).required", "false"))
        }
        overrides += names(of: "hook").sorted().map { ("hook.\($0).enabled", "false") }
        overrides += names(of: "submodule").sorted().map { ("submodule.\($0).ignore", "dirty") }
        if value("user.name") == nil || value("user.email") == nil {
            overrides += [("user.name", "Maru"), ("user.email", "maru@localhost")]
        }
        return overrides
    }

    static let always: [(String, String)] = [
        ("core.fsmonitor", "false"), ("core.hooksPath", "/dev/null"), ("core.sshCommand", "false"), ("core.askPass", "false"),
        ("core.editor", "false"), ("sequence.editor", "false"), ("core.pager", "cat"), ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"), ("core.quotePath", "false"), ("core.bare", "false"), ("protocol.allow", "never"),
        ("credential.helper", ""), ("commit.gpgSign", "false"), ("tag.gpgSign", "false"), ("log.showSignature", "false"),
        ("gpg.program", "false"), ("gc.auto", "0"), ("maintenance.auto", "false"), ("submodule.recurse", "false"),
        ("diff.ignoreSubmodules", "dirty"), ("status.submoduleSummary", "false"), ("commit.template", ""), ("commit.verbose", "false"),
        ("safe.bareRepository", "explicit"), ("color.ui", "false"), ("trace2.eventTarget", "0"), ("trace2.normalTarget", "0"),
        ("trace2.perfTarget", "0"),
    ]
}
