import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// The shape in which a service tells of errors: the one that the clients of its protocol know.
public enum ErrorShape: Sendable {
    /// `{"detail": …, "code": …}`, the suite's own.
    case detail
    /// `{"error": {"message", "type", "param", "code"}}`.
    case openAI
    /// `{"status": {"error": …}, "time": …}`.
    case qdrant

    /// The error's body.
    public func body(of error: ServiceError, requestID: String) -> Data {
        let encoded: Data? =
            switch self {
            case .detail:
                try? JSONEncoder.sorted.encode(
                    Detail(detail: error.message, code: error.code, parameter: error.parameter, request_id: requestID))
            case .openAI:
                try? JSONEncoder.sorted.encode(
                    OpenAI(error: .init(message: error.message, type: Self.openAIType(error), param: error.parameter, code: error.code)))
            case .qdrant:
                try? JSONEncoder.sorted.encode(Qdrant(status: .init(error: error.message), time: 0, code: error.code))
            }
        return encoded ?? Data(#"{"detail":"The error could not be written."}"#.utf8)
    }

    func response(for error: ServiceError, requestID: String) -> Response {
        var headers = error.headers
        headers[.contentType] = "application/json"
        if let retryAfter = error.retryAfter { headers[.retryAfter] = String(max(1, retryAfter.components.seconds)) }
        return Response(
            status: error.status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body(of: error, requestID: requestID))))
    }

    private static func openAIType(_ error: ServiceError) -> String {
        switch error.status.code {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 429: "rate_limit_error"
        case 400..<500: "invalid_request_error"
        case 503: "service_unavailable"
        default: "server_error"
        }
    }

    private struct Detail: Encodable {
        let detail: String
        let code: String
        let parameter: String?
        let request_id: String
    }

    private struct OpenAI: Encodable {
        struct Body: Encodable {
            let message: String
            let type: String
            let param: String?
            let code: String

            // The clients expect `param` to be there, null where it does not apply.
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: Keys.self)
                try container.encode(message, forKey: .message)
                try container.encode(type, forKey: .type)
                try container.encode(param, forKey: .param)
                try container.encode(code, forKey: .code)
            }

            enum Keys: CodingKey { case message, type, param, code }
        }
        let error: Body
    }

    private struct Qdrant: Encodable {
        struct Status: Encodable { let error: String }
        let status: Status
        let time: Double
        let code: String
    }
}
