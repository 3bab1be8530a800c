/// Which build this is.
public enum BuildInfo {
    /// Semantic version of the suite; CHANGELOG.md says what each brought.
    public static let version = "0.1.0"
}
