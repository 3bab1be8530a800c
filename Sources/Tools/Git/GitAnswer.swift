import Foundation
import ServiceKit

/// The ExecutionResult object of spec/02 §2.3, of a git command.
enum GitAnswer {
    /// - Parameters:
    ///   - command: as it is shown; what is nobody's business is left out of it.
    ///   - output: instead of what git said, or before it.
    ///   - whenEmpty: what is said when git succeeded and said nothing.
    static func result(_ command: String, _ run: BoundedProgram.Output, note: String = "", whenEmpty: String) -> ToolResult {
        let isDone = run.status == 0 || run.isCut
        var out = run.outText
        if isDone, out.isEmpty { out = whenEmpty }
        if run.isCut { out += "\n… the output is longer; it is cut here.\n" }
        if !note.isEmpty { out += (out.isEmpty || out.hasSuffix("\n") ? "" : "\n") + note }
        return ToolResult(
            [
                "command": .string(command), "stdout": .string(out), "stderr": .string(run.errText),
                "returncode": .integer(isDone ? 0 : Int64(run.status)), "success": .bool(isDone), "truncated": .bool(run.isCut),
            ], text: isDone ? out : "git failed (\(run.status)): \(run.errText.isEmpty ? out : run.errText)")
    }
}
