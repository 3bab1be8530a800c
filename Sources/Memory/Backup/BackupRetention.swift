import Foundation

/// How long backups stay (spec/05 §5.8 and §5.9 of the reference system): daily ones ninety days, those of a month's first day and the monthly
/// ones a year, all others thirty days. Of a project that is still there the newest of each kind stays whatever its age: a machine that slept for a
/// year is no reason to have none.
enum BackupRetention {
    /// Files that can go.
    static func expired(_ all: [BackupFile], keepingNewestOf projects: Set<ProjectID>, at moment: Date) -> [BackupFile] {
        let newest = Dictionary(grouping: all) { [$0.kind.rawValue, $0.project.text] }.compactMapValues { $0.max { $0.moment < $1.moment } }
        return all.filter { file in
            let isNewest = projects.contains(file.project) && newest[[file.kind.rawValue, file.project.text]] == file
            let age = Int((moment.timeIntervalSince(file.moment) / 86_400).rounded(.down))
            return !isNewest && age > days(file)
        }
    }

    private static func days(_ file: BackupFile) -> Int {
        switch file.kind {
        case .daily: file.name.hasSuffix("-01.db") ? 365 : 90
        case .monthly: 365
        case .json, .sql, .safety: 30
        }
    }
}
