import ServiceKit
import SuiteAPI

/// A tool as it is run: what ``ToolCatalogue`` says of it, and its work. Permissions, limits, approval and audit are around it, in
/// ``ToolCalls``; a tool only checks what it alone can know.
public protocol Tool: Sendable {
    /// The tool's name in ``ToolCatalogue``.
    var name: String { get }

    /// Does the work.
    ///
    /// - Throws: ``ServiceKit/ServiceError`` with a status and a stable code, when it could not be done.
    func run(_ arguments: ToolArguments, _ context: ToolContext) async throws -> ToolResult

    /// What an approver is shown of a call besides its arguments: a diff, a command in full. Reads, never changes anything.
    ///
    /// - Throws: what ``run(_:_:)`` would throw, if that is certain by now: a call that must fail is not put before anybody.
    func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String?
}

extension Tool {
    public func preview(_ arguments: ToolArguments, _ context: ToolContext) async throws -> String? { nil }
}

/// What a tool knows of the call besides its arguments.
public struct ToolContext: Sendable {
    public let caller: Caller
    /// Tells a caller who listens how far the work is: a share from 0 to 1 and a sentence.
    public let progress: @Sendable (Double, String) async -> Void

    public init(caller: Caller, progress: @escaping @Sendable (Double, String) async -> Void = { _, _ in }) {
        self.caller = caller
        self.progress = progress
    }
}

/// What a tool answers.
public struct ToolResult: Sendable {
    /// A picture among the content.
    public struct Image: Sendable {
        public let base64: String
        public let mimeType: String

        public init(base64: String, mimeType: String) {
            self.base64 = base64
            self.mimeType = mimeType
        }
    }

    /// The result object of the tool, as its REST route answers it.
    public let structured: JSONValue
    /// The same for a model to read.
    public let text: String
    public let images: [Image]

    public init(_ structured: JSONValue, text: String, images: [Image] = []) {
        self.structured = structured
        self.text = text
        self.images = images
    }
}
