import ServiceKit

/// What names may be. They stand in headers, logs, mails and on terminals.
enum NameRules {
    /// Names by which the stack itself appears in logs and decisions; nobody else may have one.
    static let reserved: Set<String> = ["service", "system", "anonymous", "operator", "none"]

    /// Ids of users and roles are short and plain.
    ///
    /// - Throws: 422.
    static func checkID(_ id: String, _ parameter: String) throws {
        guard id.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/#) != nil else {
            throw ServiceError.invalid(
                "“\(id.prefix(64))” cannot be a \(parameter): 1 to 64 letters, digits, dots, dashes and underscores of ASCII.",
                parameter: parameter)
        }
    }

    /// Names for people are one line that shows as what it is.
    ///
    /// - Throws: 422.
    static func checkText(_ text: String, _ parameter: String, maxBytes: Int, isRequired: Bool = false) throws {
        let isVisible = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
            default: true
            }
        }
        let isEmpty = text.allSatisfy(\.isWhitespace)
        guard isVisible, text.utf8.count <= maxBytes, !(isRequired && isEmpty) else {
            throw ServiceError.invalid(
                "“\(parameter)” is one line of \(isRequired ? "1" : "0") to \(maxBytes) bytes without control characters.",
                parameter: parameter)
        }
    }
}
