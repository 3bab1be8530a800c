import Foundation
import HTTPTypes
import ServiceKit

/// The id of a database or page: a UUID, with or without dashes.
struct NotionID: Sendable, CustomStringConvertible {
    /// With dashes.
    let description: String

    /// - Throws: 422 for anything else.
    init(_ text: String, parameter: String) throws {
        let digits = text.replacing("-", with: "").lowercased()
        guard digits.utf8.count == 32, digits.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else {
            throw ServiceError.invalid(
                "“\(parameter)” must be an id of Notion: the 32 hexadecimal digits that stand in the address of a database.",
                parameter: parameter)
        }
        var parts = [Substring]()
        var rest = digits[...]
        for count in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        description = parts.joined(separator: "-")
    }
}

/// A database (https://developers.notion.com/reference/database).
struct NotionDatabase: Decodable, Sendable {
    struct Property: Decodable, Sendable { let type: String }

    let properties: [String: Property]

    /// The property that holds a page's title: each database has one, under a name of its own.
    ///
    /// - Throws: 502 when Notion tells of none.
    func titleProperty() throws -> String {
        guard let name = properties.first(where: { $0.value.type == "title" })?.key else {
            throw ServiceError(.badGateway, code: "notion_no_title", "Notion tells of no title property in this database.")
        }
        return name
    }

    func has(_ name: String, of type: String) -> Bool { properties[name]?.type == type }
}

/// A page that was made (https://developers.notion.com/reference/page).
struct NotionPage: Decodable, Sendable {
    let id: String
    let url: String
}

/// A page or database that a search found.
struct NotionHit: Decodable, Sendable {
    struct List: Decodable, Sendable { let results: [NotionHit] }

    private struct Text: Decodable { let plain_text: String? }
    private struct Property: Decodable {
        let type: String
        let title: [Text]?

        // Only titles are lists of texts; what else there is under that name does not matter.
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Keys.self)
            type = try container.decode(String.self, forKey: .type)
            title = type == "title" ? try? container.decode([Text].self, forKey: .title) : nil
        }

        enum Keys: CodingKey { case type, title }
    }
    private enum Keys: CodingKey { case id, url, last_edited_time, title, properties }

    let id: String
    let url: String?
    let lastEdited: String?
    let title: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Keys.self)
        id = try container.decode(String.self, forKey: .id)
        url = try container.decodeIfPresent(String.self, forKey: .url)
        lastEdited = try container.decodeIfPresent(String.self, forKey: .last_edited_time)
        // A database has its title at the top, a page in the property of that type.
        let properties = try? container.decode([String: Property].self, forKey: .properties)
        let texts = (try? container.decode([Text].self, forKey: .title)) ?? properties?.values.compactMap(\.title).first ?? []
        title = texts.compactMap(\.plain_text).joined()
    }
}

/// A page to be made: where, and what stands in it.
struct NotionPageDraft: Sendable {
    let database: NotionID
    let properties: [String: JSONValue]
    /// Paragraphs of its content.
    var paragraphs: [NotionText] = []

    var body: JSONValue {
        var body: [String: JSONValue] = [
            "parent": ["type": "database_id", "database_id": .string(database.description)], "properties": .object(properties),
        ]
        if !paragraphs.isEmpty {
            body["children"] = .array(
                paragraphs.map { ["object": "block", "type": "paragraph", "paragraph": ["rich_text": $0.richText]] })
        }
        return .object(body)
    }
}

/// A text of at most as many characters as Notion takes in one rich text (https://developers.notion.com/reference/request-limits).
struct NotionText: Sendable {
    static let longest = 2_000

    let text: String
    /// Whether something was left out at the end.
    let isCut: Bool

    /// - Parameter text: cut where it is too long. Characters are counted as JavaScript does, in UTF-16; none is split.
    init(cutting text: String) {
        guard text.utf16.count > Self.longest else {
            (self.text, isCut) = (text, false)
            return
        }
        var kept = ""
        var room = Self.longest
        for character in text {
            room -= character.utf16.count
            guard room >= 0 else { break }
            kept.append(character)
        }
        (self.text, isCut) = (kept, true)
    }

    var richText: JSONValue { [["type": "text", "text": ["content": .string(text)]]] }
}
