import Foundation
import ServiceKit
import SuiteAPI
import SystemPackage

/// A file of a backup below `DATA_DIR/memory/backups`: its name says what it is, of which project, and of when.
struct BackupFile: Sendable, Hashable {
    enum Kind: String, Sendable, CaseIterable {
        /// The database of a day: `daily/PROJECT_2026-01-31.db`.
        case daily
        /// The database of a month's first backup, packed: `monthly/PROJECT_2026-01.tar.gz`.
        case monthly
        /// Everything as a JSON document: `PROJECT_20260131_030000.json`.
        case json
        /// Everything as SQL: `PROJECT_20260131_030000.sql`.
        case sql
        /// The database before something took its place: `memory_backup_PROJECT_20260131_030000.db`.
        case safety
    }

    let kind: Kind
    let project: ProjectID
    /// When it was made, as precisely as the name says it.
    let moment: Date

    init(_ kind: Kind, of project: ProjectID, at moment: Date) {
        (self.kind, self.project) = (kind, project)
        // What is made and what is read from a name is the same.
        self.moment = Self.date(Self.text(moment, kind), kind) ?? moment
    }

    /// - Parameter name: a path below the folder of backups.
    /// - Returns: `nil` for what is no name of a backup: nothing else is ever opened or removed.
    init?(name: String) {
        for kind in Kind.allCases {
            let (beginning, end) = Self.surroundings(of: kind)
            guard name.hasPrefix(beginning), name.hasSuffix(end), name.count > beginning.count + end.count else { continue }
            let middle = name.dropFirst(beginning.count).dropLast(end.count)
            let rest = middle.dropLast(Self.width(kind))
            guard rest.last == "_", let project = try? ProjectID(String(rest.dropLast())),
                let moment = Self.date(String(middle.suffix(Self.width(kind))), kind)
            else { continue }
            (self.kind, self.project, self.moment) = (kind, project, moment)
            return
        }
        return nil
    }

    /// The path below the folder of backups.
    var name: String {
        let (beginning, end) = Self.surroundings(of: kind)
        return "\(beginning)\(project)_\(Self.text(moment, kind))\(end)"
    }

    /// As answers show it.
    ///
    /// - Throws: the file system's error when it is not there.
    func described(in folder: FilePath) throws -> MemoryBackupFile {
        let size = try FileManager.default.attributesOfItem(atPath: folder.appending(name).string)[.size] as? Int
        return MemoryBackupFile(name: name, kind: kind.rawValue, created_at: MemoryTime.text(moment), bytes: size ?? 0)
    }

    private static func surroundings(of kind: Kind) -> (String, String) {
        switch kind {
        case .daily: ("daily/", ".db")
        case .monthly: ("monthly/", ".tar.gz")
        case .json: ("", ".json")
        case .sql: ("", ".sql")
        case .safety: ("memory_backup_", ".db")
        }
    }

    /// Digits of the date, with what stands between them.
    private static func width(_ kind: Kind) -> Int {
        switch kind {
        case .daily: 10
        case .monthly: 7
        case .json, .sql, .safety: 15
        }
    }

    private static func format(_ kind: Kind) -> Date.ISO8601FormatStyle {
        let style = Date.ISO8601FormatStyle(timeZone: .gmt)
        return switch kind {
        case .daily, .monthly: style.year().month().day()
        case .json, .sql, .safety:
            style.year().month().day().dateSeparator(.omitted).time(includingFractionalSeconds: false).timeSeparator(.omitted)
        }
    }

    private static func text(_ date: Date, _ kind: Kind) -> String {
        let text = date.formatted(format(kind))
        return switch kind {
        case .daily: text
        case .monthly: String(text.prefix(7))
        case .json, .sql, .safety: text.replacing("T", with: "_")
        }
    }

    /// Only what ``text(_:_:)`` writes is read.
    private static func date(_ text: String, _ kind: Kind) -> Date? {
        let whole = kind == .monthly ? text + "-01" : text.replacing("_", with: "T")
        guard let date = try? format(kind).parse(whole), Self.text(date, kind) == text else { return nil }
        return date
    }
}
