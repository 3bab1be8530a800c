import Foundation
import NIOCore

/// The head of a request to the page's proxy (RFC 9112, 3.2; RFC 9110, 9.3.6).
struct ProxyRequest: Sendable {
    /// The longest head that is read, in bytes; browsers send some kilobytes.
    static let maxBytes = 512 << 10

    let place: HostPort
    /// Whether bytes are to be passed on unseen, as TLS and WebSockets need it.
    let isTunnel: Bool
    /// Bytes of the body that belongs to it.
    let bodyBytes: Int
    /// What goes to the server in its place; empty for a tunnel.
    let head: String
    let authorization: String?

    /// - Parameter text: the head, with the empty line at its end.
    init?(_ text: String) {
        var lines = text.components(separatedBy: "\r\n")
        let start = lines.removeFirst().split(separator: " ", omittingEmptySubsequences: false)
        guard start.count == 3, start[2] == "HTTP/1.1" || start[2] == "HTTP/1.0" else { return nil }
        let fields = lines.filter { !$0.isEmpty }.map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            return (name: line[..<colon].lowercased(), value: line[colon...].dropFirst().trimmingCharacters(in: .whitespaces))
        }
        func value(_ name: String) -> String? { fields.first { $0.name == name }?.value }
        authorization = value("proxy-authorization")
        isTunnel = start[0] == "CONNECT"
        if isTunnel {
            guard let place = HostPort(String(start[1])) else { return nil }
            self.place = place
            bodyBytes = 0
            head = ""
            return
        }
        // Browsers send bodies of known length over HTTP/1.1; without a length there is none.
        guard value("transfer-encoding") == nil, let address = try? WebAddress(String(start[1])), !address.isSecure,
            let length = Int(value("content-length") ?? "0"), length >= 0
        else { return nil }
        place = address.place
        bodyBytes = length
        let host = place.port == 80 ? place.host.description : place.description
        let own: Set = ["proxy-authorization", "proxy-connection", "connection", "keep-alive", "upgrade", "te", "host"]
        let kept = fields.filter { !own.contains($0.name) }.map { "\($0.name): \($0.value)" }
        head = (["\(start[0]) \(address.target) HTTP/1.1", "host: \(host)"] + kept + ["connection: close", "", ""]).joined(
            separator: "\r\n")
    }
}
