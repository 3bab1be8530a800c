import Foundation
import HTTPTypes
import NIOCore
import NIOFoundationCompat
import ServiceKit

/// The body of a call over plain HTTP: the arguments themselves, or `{"arguments": {…}}`, as clients of the reference system send either.
struct ToolCallBody: Sendable {
    let arguments: JSONValue
    let approvalID: String?

    /// - Throws: 400 for a body that is not JSON, 422 for one that is no object.
    init(_ bytes: ByteBuffer, headers: HTTPFields) throws {
        var approvalID = headers[.xApprovalID]
        guard bytes.readableBytes > 0 else {
            arguments = [:]
            self.approvalID = approvalID
            return
        }
        let body: JSONValue
        do {
            body = try JSONDecoder().decode(JSONValue.self, from: bytes)
        } catch {
            throw ServiceError.badRequest("The body is not valid JSON.", code: "invalid_json")
        }
        guard let members = body.objectValue else { throw ServiceError.invalid("The body must be a JSON object.") }
        // No tool has arguments of these names, so the two forms cannot be confused.
        let wrapper: Set<String> = ["arguments", "approval_id"]
        if members["arguments"] != nil, members.keys.allSatisfy(wrapper.contains) {
            approvalID = approvalID ?? members["approval_id"]?.stringValue
            arguments = members["arguments"] ?? [:]
        } else {
            arguments = body
        }
        self.approvalID = approvalID
    }
}
