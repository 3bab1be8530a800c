import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import NIOFoundationCompat

extension Response {
    /// A JSON answer. A value that cannot be encoded (a number that is not finite) answers 500 and says so.
    public static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) -> Response {
        json(status, headers) { try JSONEncoder.wire.encode(value) }
    }

    /// The same, without Foundation's encoder.
    public static func json(_ value: JSONValue, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]) -> Response {
        json(status, headers) { try value.json() }
    }

    private static func json(_ status: HTTPResponse.Status, _ headers: HTTPFields, _ encoded: () throws -> Data) -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        do {
            return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(data: try encoded())))
        } catch {
            let failure = ServiceError(.internalServerError, code: "encoding_failed", "The answer cannot be written as JSON: \(error)")
            return ErrorShape.detail.response(for: failure, requestID: RequestScope.current?.requestID ?? "")
        }
    }
}
