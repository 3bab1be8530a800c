import ServiceKit
import ServiceLifecycle

extension MCPServer {
    /// A stream of changes that stays open until the client leaves or the service ends. Lists here never change while it runs, so only
    /// tasks can be listened to.
    func listen(_ request: MCPRequest, _ exchange: MCPExchange) async throws -> [String: JSONValue] {
        guard let filter = request.params["notifications"]?.objectValue else {
            throw MCPError.invalidParams("subscriptions/listen needs the parameter “notifications”, an object.")
        }
        let asked = filter["taskIds"]?.arrayValue?.compactMap(\.stringValue)
        if asked != nil, !exchange.takesTasks { throw MCPError.missingExtension(MCPTasks.extensionName) }
        guard (asked?.count ?? 0) <= 256 else { throw MCPError.invalidParams("At most 256 tasks can be listened to at once.") }
        let (ids, changes) = await tasks.changes(of: Set(asked ?? []), for: exchange.caller)
        let mark: JSONValue = [MCPEnvelope.subscription: request.id.json]
        let honoured: JSONValue = asked == nil ? [:] : ["taskIds": .array(ids.map(JSONValue.string))]
        await exchange.notify(
            MCPReply.notification("notifications/subscriptions/acknowledged", ["_meta": mark, "notifications": honoured]))
        for await change in changes.cancelOnGracefulShutdown() {
            var members = change.objectValue ?? [:]
            members["_meta"] = mark
            await exchange.notify(MCPReply.notification("notifications/tasks", .object(members)))
        }
        try Task.checkCancellation()
        return ["_meta": mark]
    }
}
