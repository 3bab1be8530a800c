import Foundation
import HTTPTypes
import ServiceKit

/// What was read of a page's elements.
struct PageTexts: Sendable {
    let values: [String]
    /// Whether there was more than is given.
    let isCut: Bool
}

extension Page {
    /// Runs a function in the page's document, in a world of its own: what the page did to its own JavaScript plays no part.
    ///
    /// - Parameters:
    ///   - function: its source; constant. What varies goes as arguments.
    ///   - arguments: given to it as JSON values.
    func run(_ function: String, _ arguments: JSONValue...) async throws -> JSONValue {
        let world = try await call("Page.createIsolatedWorld", ["frameId": .string(frame), "worldName": "maru"])
        let answer = try await call(
            "Runtime.callFunctionOn",
            [
                "functionDeclaration": .string(function), "executionContextId": world["executionContextId"] ?? .null,
                "arguments": .array(arguments.map { ["value": $0] }), "returnByValue": true, "awaitPromise": true,
            ])
        if let thrown = answer["exceptionDetails"] {
            let words = thrown["exception"]?["description"]?.stringValue ?? thrown["text"]?.stringValue ?? "it failed"
            throw ServiceError(.badGateway, code: "browser_failed", "A function in the page failed: \(words.prefix(200))")
        }
        return answer["result"]?["value"] ?? .null
    }

    /// The text, or an attribute, of the elements that a selector finds; blank ones are left out.
    ///
    /// - Parameters:
    ///   - attribute: `textContent`, `innerHTML`, or an attribute's name; `href` and `src` are given as whole addresses.
    ///   - limit: how many at the most.
    ///   - maxLength: letters of all of them together.
    /// - Throws: 422 for what is no selector.
    func texts(selector: String, attribute: String = "textContent", limit: Int = 1_000, maxLength: Int = 1 << 20) async throws -> PageTexts
    {
        let answer = try await run(
            Self.read, .string(selector), .string(attribute), .integer(Int64(limit)), .integer(Int64(maxLength)))
        try Self.checkSelector(answer, selector)
        return PageTexts(values: answer["values"]?.arrayValue?.compactMap(\.stringValue) ?? [], isCut: answer["isCut"] == true)
    }

    static func checkSelector(_ answer: JSONValue, _ selector: String) throws {
        guard answer["badSelector"] == true else { return }
        throw ServiceError.invalid("“\(selector.prefix(200))” is no CSS selector.", parameter: "selector")
    }

    private static let read = """
        (selector, attribute, limit, maxLength) => {
            let found;
            try { found = document.querySelectorAll(selector) } catch { return { badSelector: true } }
            const read = element => {
                if (attribute === 'textContent') return element.textContent;
                if (attribute === 'innerHTML') return element.innerHTML;
                const value = element.getAttribute(attribute);
                if (value === null || (attribute !== 'href' && attribute !== 'src')) return value;
                try { return new URL(value, document.baseURI).href } catch { return value }
            };
            const values = [];
            let left = maxLength;
            for (const element of found) {
                let value = (read(element) ?? '').trim();
                if (value === '') continue;
                if (values.length === limit || left === 0) return { values, isCut: true };
                const isLong = value.length > left;
                if (isLong) value = value.slice(0, left).toWellFormed();
                values.push(value);
                left -= value.length;
                if (isLong) return { values, isCut: true };
            }
            return { values, isCut: false };
        }
        """

    /// Title, styles, layout, colours and fonts.
    func look() async throws -> JSONValue { try await run(Self.look) }

    private static let look = """
        () => {
            const body = document.body ?? document.documentElement;
            const style = getComputedStyle(body);
            const text = value => String(value).slice(0, 1000);
            const elements = [...document.querySelectorAll('*')];
            const colors = new Set(), fonts = new Set();
            for (const element of elements.slice(0, 100)) {
                const style = getComputedStyle(element);
                for (const color of [style.color, style.backgroundColor]) {
                    if (color && color !== 'rgba(0, 0, 0, 0)' && color !== 'transparent') colors.add(text(color));
                }
            }
            for (const element of elements.slice(0, 50)) {
                const font = getComputedStyle(element).fontFamily;
                if (font) fonts.add(text(font));
            }
            return {
                title: text(document.title),
                css_styles: {
                    backgroundColor: text(style.backgroundColor), color: text(style.color), fontFamily: text(style.fontFamily),
                    fontSize: text(style.fontSize),
                },
                layout_info: {
                    width: text(style.width), height: text(style.height), padding: text(style.padding), margin: text(style.margin),
                },
                color_scheme: [...colors].slice(0, 10), fonts: [...fonts].slice(0, 5),
            };
        }
        """
}
