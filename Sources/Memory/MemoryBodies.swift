import Foundation
import ServiceKit
import SuiteAPI

/// What a conversation may hold.
enum MemoryLimits {
    static let queryBytes = 1 << 18
    static let responseBytes = 1 << 20
    static let wordBytes = 256
    static let pathBytes = 4_096
    static let tags = 64
    static let contextBytes = 1 << 16
    /// Conversations of an import.
    static let imported = 10_000

    /// - Throws: 422 for a text that is empty, 413 for one that is too long.
    static func text(_ text: String, _ field: String, maxBytes: Int) throws -> String {
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw ServiceError.invalid("“\(field)” is empty; there is nothing to keep.", parameter: field)
        }
        guard text.utf8.count <= maxBytes else {
            throw ServiceError.tooLarge("“\(field)” has \(text.utf8.count) bytes; at most \(maxBytes) are taken.", parameter: field)
        }
        // SQLite's functions end a text at NUL.
        return text.utf8.contains(0) ? text.replacing("\0", with: "\u{FFFD}") : text
    }

    static func word(_ text: String?, _ field: String, maxBytes: Int = wordBytes) throws -> String? {
        guard let text else { return nil }
        guard (1...maxBytes).contains(text.utf8.count), !text.unicodeScalars.contains(where: { $0.value < 0x20 }) else {
            throw ServiceError.invalid("“\(field)” is one line of 1 to \(maxBytes) bytes.", parameter: field)
        }
        return text
    }

    static func tags(_ tags: [String]) throws -> [String] {
        guard tags.count <= Self.tags else {
            throw ServiceError.tooLarge("“tags” has \(Self.tags) entries at the most.", parameter: "tags")
        }
        var known: Set<String> = []
        return try tags.compactMap { try word($0, "tags") }.filter { known.insert($0).inserted }
    }

    static func number(_ value: Int?, _ field: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let value else { return nil }
        guard range.contains(value) else {
            throw ServiceError.invalid("“\(field)” is from \(range.lowerBound) to \(range.upperBound).", parameter: field)
        }
        return value
    }

    static func date(_ text: String?, _ field: String) throws -> Date? {
        guard let text else { return nil }
        guard let date = MemoryTime.date(text) else {
            throw ServiceError.invalid("“\(field)” is a time as ISO 8601 has it: 2026-01-31T12:00:00Z.", parameter: field)
        }
        return date
    }
}

extension MemoryLimits {
    /// When something was said: since 1970, and not later than a day from now, for clocks that are not quite right.
    static func past(_ text: String?, _ field: String) throws -> Date? {
        guard let date = try date(text, field) else { return nil }
        guard (Date(timeIntervalSince1970: 0)...Date.now.addingTimeInterval(86_400)).contains(date) else {
            throw ServiceError.invalid("“\(field)” lies before 1970 or in the future.", parameter: field)
        }
        return date
    }
}

extension NewConversation {
    /// - Throws: 413 or 422 naming the field that cannot be kept.
    init(_ body: SaveConversationRequest) throws {
        self.init(
            query: try MemoryLimits.text(body.user_query, "user_query", maxBytes: MemoryLimits.queryBytes),
            response: try MemoryLimits.text(body.ai_response, "ai_response", maxBytes: MemoryLimits.responseBytes))
        model = try MemoryLimits.word(body.model_used, "model_used")
        session = try MemoryLimits.word(body.session_id, "session_id")
        tokens = try MemoryLimits.number(body.token_count, "token_count", in: 0...1_000_000_000)
        milliseconds = try MemoryLimits.number(body.response_time_ms, "response_time_ms", in: 0...1_000_000_000)
        tags = try MemoryLimits.tags(body.tags ?? [])
        importance = try MemoryLimits.number(body.importance_score, "importance_score", in: Importance.range)
        var context = body.context ?? .null
        if let path = body.project_path {
            // A path may be longer than other words.
            let path = try MemoryLimits.word(path, "project_path", maxBytes: MemoryLimits.pathBytes)
            if context == .null { context = [:] }
            if var fields = context.objectValue, fields["project_path"] == nil {
                fields["project_path"] = .of(path)
                context = .object(fields)
            }
        }
        guard context != .null else { return }
        guard context.objectValue != nil else { throw ServiceError.invalid("“context” is a JSON object.", parameter: "context") }
        guard try context.json().count <= MemoryLimits.contextBytes else {
            throw ServiceError.tooLarge("“context” has at most \(MemoryLimits.contextBytes) bytes.", parameter: "context")
        }
        self.context = context
        (isSaved, isMarked) = (context["user_saved"]?.boolValue == true, context["user_important"]?.boolValue == true)
    }
}

extension MemoryFilter {
    /// - Throws: 422 naming the field that is not acceptable.
    init(_ body: SearchConversationsRequest) throws {
        let least = try MemoryLimits.number(body.importance_min, "importance_min", in: Importance.range) ?? Importance.range.lowerBound
        let most = try MemoryLimits.number(body.importance_max, "importance_max", in: Importance.range) ?? Importance.range.upperBound
        guard least <= most else {
            throw ServiceError.invalid("“importance_min” is greater than “importance_max”.", parameter: "importance_min")
        }
        importance = least...most
        session = try MemoryLimits.word(body.session_id, "session_id")
        model = try MemoryLimits.word(body.model_used, "model_used")
        tags = try MemoryLimits.tags(body.tags ?? [])
        since = try MemoryLimits.date(body.since, "since")
        until = try MemoryLimits.date(body.until, "until")
    }
}

extension ConversationChange {
    /// - Throws: 413 or 422 naming the field that cannot be kept; 422 when nothing is given.
    init(_ body: EditConversationRequest) throws {
        query = try body.user_query.map { try MemoryLimits.text($0, "user_query", maxBytes: MemoryLimits.queryBytes) }
        response = try body.ai_response.map { try MemoryLimits.text($0, "ai_response", maxBytes: MemoryLimits.responseBytes) }
        importance = try MemoryLimits.number(body.importance_score, "importance_score", in: Importance.range)
        tags = try body.tags.map(MemoryLimits.tags)
        guard query != nil || response != nil || importance != nil || tags != nil else {
            throw ServiceError.invalid("Nothing is to be changed; give user_query, ai_response, importance_score or tags.")
        }
    }
}
