import Foundation
import ServiceKit

/// A host and a port.
struct HostPort: Hashable, Sendable, CustomStringConvertible {
    let host: WebHost
    let port: Int

    init(_ host: WebHost, _ port: Int) {
        self.host = host
        self.port = port
    }

    /// `host:port`, or `nil` where the text is something else.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = WebAddress.port(text[text.index(after: colon)...]),
            let host = WebHost(String(text[..<colon]))
        else { return nil }
        self.init(host, port)
    }

    var description: String { "\(host):\(port)" }
}

/// The address of a page or of a part of one.
struct WebAddress: Sendable, CustomStringConvertible {
    let isSecure: Bool
    let place: HostPort
    /// Path and query, as a server is asked for them.
    let target: String
    private let fragment: String

    /// The address written anew, so that whoever reads it next reads the same.
    var description: String {
        let port = place.port == (isSecure ? 443 : 80) ? "" : ":\(place.port)"
        return (isSecure ? "https://" : "http://") + place.host.description + port + target + fragment
    }

    /// - Throws: 422 for what is no address, 403 for one that is never opened: another scheme, or with a name and password in it.
    init(_ text: String) throws {
        let text = text.trimmingCharacters(in: CharacterSet(charactersIn: " "))
        guard !text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F || $0 == "\\" }) else {
            throw Self.malformed("it has spaces, backslashes or control characters")
        }
        // A dot before the colon is a host's: the scheme was left out.
        guard let colon = text.firstIndex(of: ":"), text.first?.isLetter == true,
            text[..<colon].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "+-".contains($0)) })
        else { throw Self.malformed("it must begin with http:// or https://") }
        let scheme = text[..<colon].lowercased()
        guard ["http", "https"].contains(scheme) else {
            throw WebPolicy.blocked(String(text.prefix(100)), "only http and https are opened, not \(scheme.prefix(20))")
        }
        let rest = text[text.index(after: colon)...]
        guard rest.hasPrefix("//") else { throw Self.malformed("it must begin with http:// or https://") }
        let authority = rest.dropFirst(2).prefix { !"/?#".contains($0) }
        guard !authority.contains("@") else {
            throw WebPolicy.blocked(
                String(authority.drop { $0 != "@" }.dropFirst().prefix(100)), "names and passwords in addresses are not sent")
        }
        let (name, port) = Self.parts(authority)
        guard let host = WebHost(String(name)) else { throw Self.malformed("“\(name.prefix(100))” is no host") }
        guard let number = port.isEmpty ? (scheme == "https" ? 443 : 80) : Self.port(port) else {
            throw Self.malformed("“\(port.prefix(100))” is no port")
        }
        isSecure = scheme == "https"
        place = HostPort(host, number)
        let path = rest.dropFirst(2 + authority.count)
        let target = path.prefix { $0 != "#" }
        self.target = target.hasPrefix("/") ? String(target) : "/" + target
        fragment = String(path.dropFirst(target.count))
    }

    /// Host and port of an authority; a colon within brackets is the host's own.
    private static func parts(_ authority: Substring) -> (host: Substring, port: Substring) {
        guard let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") else { return (authority, "") }
        return (authority[..<colon], authority[authority.index(after: colon)...])
    }

    static func port(_ digits: Substring) -> Int? {
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(digits), (1...65_535).contains(port) else {
            return nil
        }
        return port
    }

    private static func malformed(_ why: String) -> ServiceError {
        .invalid("The address cannot be understood: \(why).", parameter: "url")
    }
}
