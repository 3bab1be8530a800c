import Foundation
import ServiceKit
import SuiteAPI

/// A request as an approver reads it in a terminal. Everything that others wrote is made visible: nothing in it can move the cursor, hide
/// a part, or turn the direction of the text.
struct ApprovalText {
    let text: String

    init(_ row: ApprovalRow) {
        var lines = [
            "request    \(row.request_id)", "tool       \(VisibleText.line(row.tool_name))",
            "user       \(VisibleText.line(row.user_id)) (\(row.role.isEmpty ? "-" : VisibleText.line(row.role)))",
            "status     \(row.status)" + (row.seconds_until_expiry > 0 ? ", \(row.seconds_until_expiry) s left" : ""),
            "requested  \(row.requested_at) UTC",
        ]
        if let responder = row.responder_id { lines.append("decided    \(row.responded_at ?? "-") UTC by \(VisibleText.line(responder))") }
        if let reason = row.response_reason, !reason.isEmpty { lines.append("reason     \(VisibleText.line(reason))") }
        if let digest = row.digest { lines.append("digest     \(VisibleText.line(digest))") }
        if let data = row.request_data {
            lines.append("arguments")
            if let members = (try? JSONDecoder().decode(JSONValue.self, from: Data(data.utf8)))?.objectValue {
                for (name, value) in members.sorted(by: { $0.key < $1.key }) {
                    let written = value.stringValue ?? (try? JSONEncoder.sorted.encode(value)).map { String(decoding: $0, as: UTF8.self) }
                    lines.append("  \(VisibleText.line(name)):")
                    lines.append(VisibleText.block(written ?? "", indent: "    "))
                }
            } else {
                lines.append(VisibleText.block(data, indent: "  "))
            }
        }
        if let preview = row.preview { lines += ["what it would do", VisibleText.block(preview, indent: "  ")] }
        text = lines.joined(separator: "\n")
    }
}

/// Text of others, safe for a terminal: control, format and bidirectional characters are written as their code points.
enum VisibleText {
    /// On one line.
    static func line(_ text: String) -> String { text.unicodeScalars.map { written($0) }.joined() }

    /// Line by line, each indented, so that no line can pass for one of ours.
    static func block(_ text: String, indent: String = "") -> String {
        text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            indent + line.map { $0 == "\t" ? "\t" : written($0) }.joined()
        }.joined(separator: "\n")
    }

    private static func written(_ scalar: Unicode.Scalar) -> String {
        // What a terminal shows as nothing at all would make two commands look alike.
        if scalar.properties.isDefaultIgnorableCodePoint { return "\\u{\(String(scalar.value, radix: 16))}" }
        return switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            "\\u{\(String(scalar.value, radix: 16))}"
        default: String(scalar)
        }
    }
}
