import Foundation
import GRDB

/// Writes the mail about a change of an approval into the outbox, in the transaction of the change: there is no change without its mail,
/// and no mail without its change.
struct ApprovalNotices: Sendable {
    /// What is told of.
    enum Kind: String, Sendable {
        case requested = "approval_requested"
        case approved = "approval_approved"
        case rejected = "approval_rejected"
        case timeout = "approval_timeout"

        init?(_ status: ApprovalStatus) {
            switch status {
            case .pending: self = .requested
            case .approved: self = .approved
            case .rejected: self = .rejected
            case .timeout, .expired: self = .timeout
            case .cancelled, .used: return nil
            }
        }
    }

    func tell(of request: ApprovalRequest, at moment: Date, _ db: Database) throws {
        guard let kind = Kind(request.status) else { return }
        let letter = ApprovalLetter(kind, request)
        try db.execute(
            sql: """
                INSERT INTO outbox (kind, request_id, subject, text, html, created_at, next_attempt_at) VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [kind.rawValue, request.idText, letter.subject, letter.text, letter.html, moment, moment])
    }
}

/// A mail about an approval, in Korean and English, as text and as HTML. It says who and what, never with which arguments: those are shown
/// to approvers who have proved who they are.
struct ApprovalLetter: Sendable, Equatable {
    let subject: String
    let text: String
    let html: String

    init(_ kind: ApprovalNotices.Kind, _ request: ApprovalRequest) {
        let tool = Self.visible(request.tool)
        let (korean, english): (String, String)
        switch kind {
        case .requested:
            subject = "[승인 필요] \(tool) 도구 (approval needed)"
            (korean, english) = ("도구 호출이 승인을 기다리고 있습니다.", "A call of a tool waits for approval.")
        case .approved:
            subject = "[승인됨] \(tool) 도구 (approved)"
            (korean, english) = (
                "요청이 승인되었습니다. 만료 전에 같은 호출을 한 번 실행할 수 있습니다.", "The request is approved; the same call can be made once before it expires."
            )
        case .rejected:
            subject = "[거부됨] \(tool) 도구 (rejected)"
            (korean, english) = ("요청이 거부되었습니다.", "The request is rejected.")
        case .timeout:
            subject = "[시간 초과] \(tool) 승인 요청 (timeout)"
            (korean, english) = ("제때 결정되지 않아 요청이 만료되었습니다.", "Nobody decided in time; the request is expired.")
        }
        var facts = [
            ("요청자 / requester", request.userID), ("도구 / tool", request.tool), ("요청 / request", request.shortID),
            ("요청 시각 / requested", Self.time(request.requestedAt)), ("만료 / expires", Self.time(request.expiresAt)),
        ]
        if kind == .approved || kind == .rejected {
            facts.append(("결정자 / responder", request.responderID ?? "—"))
            facts.append(("사유 / reason", request.reason.flatMap { $0.isEmpty ? nil : $0 } ?? "사유 없음 / none given"))
        }
        let commands =
            kind == .requested
            ? [
                "maru approvals show \(request.shortID)", "maru approvals approve \(request.shortID)",
                "maru approvals reject \(request.shortID)",
            ]
            : ["maru approvals show \(request.shortID)"]
        let lines = facts.map { "\($0): \(Self.visible($1))" }
        text = ([korean, english, ""] + lines + [""] + commands.map { "  " + $0 }).joined(separator: "\n") + "\n"
        let rows = facts.map { "<tr><th align=\"left\">\(Self.escaped($0))</th><td>\(Self.escaped(Self.visible($1)))</td></tr>" }.joined()
        html = """
            <!DOCTYPE html><html lang="ko"><meta charset="utf-8"><body><p>\(Self.escaped(korean))<br>\(Self.escaped(english))</p>
            <table>\(rows)</table><pre>\(commands.map(Self.escaped).joined(separator: "\n"))</pre></body></html>
            """
    }

    /// UTC, as everything in the database.
    static func time(_ date: Date) -> String {
        date.formatted(.iso8601.year().month().day().dateTimeSeparator(.space).time(includingFractionalSeconds: false)) + " UTC"
    }

    /// A text on one line, without characters that could make a reader see something else than what is there.
    static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(500).map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: "\u{FFFD}"
                    default: scalar
                    }
                }))
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
            .replacing("'", with: "&#39;")
    }
}
