import Foundation
import HTTPTypes
import ServiceKit

extension Page {
    /// How long an element may take to appear.
    private static let patience = Duration.seconds(3)

    /// Clicks an element as a mouse does, and waits for what comes of it.
    ///
    /// - Throws: 422 `no_such_element`, or `not_clickable` for one that takes no room.
    func click(_ selector: String) async throws {
        let place = try await element(selector, Self.point)
        guard let x = place["x"]?.doubleValue, let y = place["y"]?.doubleValue else {
            throw ServiceError(
                .unprocessableContent, code: "not_clickable", "The element “\(selector)” cannot be seen, so it cannot be clicked.")
        }
        for type in ["mouseMoved", "mousePressed", "mouseReleased"] {
            try await call(
                "Input.dispatchMouseEvent",
                [
                    "type": .string(type), "x": .number(x), "y": .number(y), "button": type == "mouseMoved" ? "none" : "left",
                    "clickCount": type == "mouseMoved" ? 0 : 1,
                ])
        }
        // A navigation begins a moment later.
        try await Task.sleep(for: .milliseconds(150))
        try await settle()
    }

    /// Gives a field a value, and tells the page of it.
    ///
    /// - Throws: 422 `no_such_element`, or `not_fillable` for what takes no text, or takes another one than was given.
    func fill(_ selector: String, with value: String) async throws {
        let answer = try await element(selector, Self.fill, .string(value))
        if let why = answer["refused"]?.stringValue {
            throw ServiceError(.unprocessableContent, code: "not_fillable", "The element “\(selector)” \(why).")
        }
    }

    /// Runs a function with the first element that a selector finds, once there is one.
    private func element(_ selector: String, _ function: String, _ argument: JSONValue = .null) async throws -> JSONValue {
        let deadline = ContinuousClock.now.advanced(by: Self.patience)
        let whole = """
            (selector, argument) => {
                let element;
                try { element = document.querySelector(selector) } catch { return { badSelector: true } }
                return element ? (\(function))(element, argument) : null;
            }
            """
        while true {
            let answer = try await run(whole, .string(selector), argument)
            try Self.checkSelector(answer, selector)
            if answer != .null { return answer }
            guard ContinuousClock.now < deadline else {
                throw ServiceError(
                    .unprocessableContent, code: "no_such_element", "No element matches “\(selector.prefix(200))”.", parameter: "selector")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static let point = """
        element => {
            element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
            const box = element.getBoundingClientRect();
            if (box.width === 0 || box.height === 0 || getComputedStyle(element).visibility === 'hidden') return {};
            return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        }
        """

    private static let fill = """
        (element, value) => {
            const fills = element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement
                || (element instanceof HTMLInputElement
                    && !['checkbox', 'radio', 'file', 'submit', 'button', 'image', 'reset', 'hidden'].includes(element.type));
            if (!fills && !element.isContentEditable) return { refused: 'takes no text' };
            if (element.disabled || element.readOnly) return { refused: 'cannot be changed' };
            element.focus();
            if (fills) element.value = value; else element.textContent = value;
            element.dispatchEvent(new InputEvent('input', { bubbles: true }));
            element.dispatchEvent(new Event('change', { bubbles: true }));
            if (fills && element.value !== value && element.value.replaceAll('\\n', '') !== value.replaceAll(/[\\r\\n]/g, ''))
                return { refused: 'does not take this value' };
            return {};
        }
        """
}
