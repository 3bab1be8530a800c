import CVersion
import Suite

extension BuildInfo {
    /// The commit a release build was made from, with `+` for a tree with changes; “unknown” in debug builds.
    public static var commit: String { String(cString: maru_commit()) }
}
