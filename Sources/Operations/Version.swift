/// A version number by its first two parts, which is what the thresholds name.
struct Version: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    init(_ major: Int, _ minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// The first thing in a text that looks like a version: `v2.40.0`, `Docker version 28.5.1, build …`.
    init?(firstIn text: String) {
        guard let match = text.firstMatch(of: #/(\d+)\.(\d+)/#), let major = Int(match.1), let minor = Int(match.2) else { return nil }
        self.init(major, minor)
    }

    static func < (left: Version, right: Version) -> Bool { (left.major, left.minor) < (right.major, right.minor) }

    var description: String { "\(major).\(minor)" }
}
