import Foundation
import ServiceKit

/// Lists in pages. A cursor says where the next page begins, in words that mean nothing to the client.
enum MCPPage {
    static let size = 50

    /// One page of a list, with the cursor of the next where there is one.
    ///
    /// - Throws: -32602 for a cursor that was not made here, for this list.
    static func page(_ name: String, _ items: [JSONValue], _ request: MCPRequest) throws -> [String: JSONValue] {
        var start = 0
        if let cursor = request.params["cursor"], cursor != .null {
            guard let text = cursor.stringValue, let place = place(text, in: name), place > 0, place < items.count else {
                throw MCPError.invalidParams("The cursor is not one of this list; begin again without one.")
            }
            start = place
        }
        let end = min(start + size, items.count)
        var page: [String: JSONValue] = [name: .array(Array(items[start..<end]))]
        if end < items.count { page["nextCursor"] = .string(cursor(name, end)) }
        return page
    }

    static func cursor(_ name: String, _ place: Int) -> String { Data("\(name):\(place)".utf8).base64EncodedString() }

    private static func place(_ cursor: String, in name: String) -> Int? {
        guard cursor.utf8.count <= 128, let data = Data(base64Encoded: cursor) else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(separator: ":")
        guard parts.count == 2, parts[0] == name, let place = Int(parts[1]), self.cursor(name, place) == cursor else { return nil }
        return place
    }
}
