import Foundation
import ServiceKit

/// One thing to do on a page.
enum PageAction: Sendable {
    case click(selector: String)
    case fill(selector: String, value: String)
    /// In seconds.
    case wait(Double)
    case screenshot

    /// What it is, for who has to approve it.
    var description: String {
        switch self {
        case .click(let selector): "click “\(selector)”"
        case .fill(let selector, let value): "fill “\(selector)” with “\(value)”"
        case .wait(let seconds): "wait \(seconds.formatted()) s"
        case .screenshot: "take a screenshot"
        }
    }

    var type: String {
        switch self {
        case .click: "click"
        case .fill: "fill"
        case .wait: "wait"
        case .screenshot: "screenshot"
        }
    }
}

/// The actions of one call of `web_automate`.
struct PageActions: Sendable {
    private static let maxCount = 50
    private static let maxScreenshots = 5
    /// Seconds of all waits together.
    private static let maxWait = 60.0

    let all: [PageAction]

    /// How long they wait on purpose.
    var pause: Duration {
        .seconds(all.reduce(0) { sum, action in if case .wait(let seconds) = action { sum + seconds } else { sum } })
    }

    /// - Parameter text: a JSON list of `{type, selector, value}`.
    /// - Throws: 422 naming the first action that cannot be carried out.
    init(_ text: String) throws {
        guard let list = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)).arrayValue,
            (1...Self.maxCount).contains(list.count)
        else { throw Self.invalid("The argument “actions” must be a JSON list of 1 to \(Self.maxCount) actions.") }
        all = try list.enumerated().map { try Self.action($1, at: $0) }
        guard pause <= .seconds(Self.maxWait) else { throw Self.invalid("The actions wait longer than \(Int(Self.maxWait)) s together.") }
        guard all.filter({ if case .screenshot = $0 { true } else { false } }).count <= Self.maxScreenshots else {
            throw Self.invalid("The actions take more than \(Self.maxScreenshots) screenshots.")
        }
    }

    private static func action(_ value: JSONValue, at index: Int) throws -> PageAction {
        let what = "Action \(index) of “actions”"
        guard let members = value.objectValue, let type = members["type"]?.stringValue else {
            throw invalid("\(what) must be an object with a “type”: click, fill, wait or screenshot.")
        }
        let takes = ["click": ["selector"], "fill": ["selector", "value"], "wait": ["value"], "screenshot": []]
        guard let names = takes[type] else {
            throw invalid("\(what) has the type “\(type.prefix(50))”; there are click, fill, wait and screenshot.")
        }
        if let other = members.keys.sorted().first(where: { $0 != "type" && !names.contains($0) && members[$0] != .null }) {
            throw invalid("\(what) has “\(other.prefix(50))”, which \(type) does not take.")
        }
        func selector() throws -> String {
            guard let selector = members["selector"]?.stringValue, !selector.isEmpty, selector.utf8.count <= 4_096 else {
                throw invalid("\(what) needs a “selector”, a text of at most 4096 bytes.")
            }
            return selector
        }
        switch type {
        case "click": return .click(selector: try selector())
        case "fill":
            guard let value = members["value"]?.stringValue else { throw invalid("\(what) needs a “value”, a text.") }
            return .fill(selector: try selector(), value: value)
        case "wait":
            let seconds = members["value"]?.doubleValue ?? members["value"]?.stringValue.flatMap(Double.init) ?? -1
            guard (0...30).contains(seconds) else { throw invalid("\(what) needs a “value” from 0 to 30, in seconds.") }
            return .wait(seconds)
        default: return .screenshot
        }
    }

    private static func invalid(_ message: String) -> ServiceError { .invalid(message, parameter: "actions") }
}
