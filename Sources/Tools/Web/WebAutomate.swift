import Foundation
import ServiceKit

/// `web_automate`.
struct WebAutomate: Tool {
    let name = "web_automate"
    let pages: WebPages

    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? {
        let actions = try PageActions(arguments.string("actions"))
        try pages.check(arguments.string("url"))
        let lines = actions.all.enumerated().map { "\($0.offset + 1). \($0.element.description)" }
        return (["Opens \(arguments.string("url")) in a browser that knows nobody, then:"] + lines).joined(separator: "\n")
    }

    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult {
        let actions = try PageActions(arguments.string("actions"))
        let asked = arguments.string("url")
        let (url, outcomes, note) = try await pages.withPage(asked, pause: actions.pause) { page in
            var outcomes: [Outcome] = []
            for (index, action) in actions.all.enumerated() {
                await context.progress(Double(index + 1) / Double(actions.all.count + 1), action.type)
                do {
                    outcomes.append(try await Self.perform(action, on: page))
                } catch var error as ServiceError {
                    error.message = "Action \(index) (\(action.type)): \(error.message)"
                    throw error
                }
            }
            return (page.url, outcomes, await page.refusals())
        }
        let told = outcomes.enumerated().map { index, outcome in
            var members: [String: JSONValue] = [
                "index": .integer(Int64(index)), "type": .string(actions.all[index].type), "outcome": .string(outcome.text),
            ]
            if let picture = outcome.picture { members["screenshot_base64"] = .string(picture.base64) }
            return JSONValue.object(members)
        }
        let lines = outcomes.enumerated().map { "\($0.offset + 1). \($0.element.text)" }
        return ToolResult(
            ["url": .string(url), "actions": .array(told), "count": .integer(Int64(told.count))],
            text: (["At the end on \(url)."] + lines + [note]).filter { !$0.isEmpty }.joined(separator: "\n"),
            images: outcomes.compactMap(\.picture?.image))
    }

    private struct Outcome: Sendable {
        let text: String
        var picture: PagePicture?
    }

    private static func perform(_ action: PageAction, on page: Page) async throws -> Outcome {
        switch action {
        case .click(let selector):
            let before = page.url
            try await page.click(selector)
            return Outcome(text: "clicked “\(selector)”" + (page.url == before ? "" : ", which led to \(page.url)"))
        case .fill(let selector, let value):
            try await page.fill(selector, with: value)
            return Outcome(text: "filled “\(selector)” with \(value.count) letters")
        case .wait(let seconds):
            try await Task.sleep(for: .seconds(seconds))
            return Outcome(text: "waited \(seconds.formatted()) s")
        case .screenshot:
            let picture = try await page.picture()
            return Outcome(text: "took a screenshot of \(picture.width) × \(picture.height) pixels", picture: picture)
        }
    }
}
