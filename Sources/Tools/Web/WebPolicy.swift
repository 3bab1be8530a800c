import HTTPTypes
import ServiceKit
import Suite

/// What web tools may reach: hosts of the public internet, and what `WEB_ALLOWED_HOSTS` names.
struct WebPolicy: Sendable {
    /// Every address of a name; none where there is no such name.
    typealias Resolver = @Sendable (String) async throws -> [IPAddress]

    private let allowed: Set<HostPort>
    private let resolver: Resolver

    init(allowed: Set<HostPort>, resolver: @escaping Resolver = WebPolicy.system) {
        self.allowed = allowed
        self.resolver = resolver
    }

    /// - Throws: ``Suite/InvalidSettings`` where `WEB_ALLOWED_HOSTS` holds something else than hosts with ports.
    init(settings: Settings) throws {
        let entries = settings[SettingKeys.webAllowedHosts].split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
        let places = entries.compactMap { HostPort($0) }
        guard places.count == entries.count else {
            throw InvalidSettings(SettingKeys.webAllowedHosts, in: settings, allowed: "host:port, separated by commas")
        }
        self.init(allowed: Set(places))
    }

    /// What can be said of a place without asking for its addresses.
    ///
    /// - Throws: 403 `url_blocked`.
    func check(_ place: HostPort) throws {
        guard !allowed.contains(place) else { return }
        // Ports below 1024 belong to services that answer whoever talks to them by mistake: mail, printers, file shares.
        guard [80, 443].contains(place.port) || place.port >= 1_024 else {
            throw Self.blocked("\(place)", "of the ports below 1024 only 80 and 443 are opened")
        }
        switch place.host {
        case .address(let address): try judge([address], of: place)
        case .name(let name):
            if let kind = Self.privateNames.first(where: { name == $0 || name.hasSuffix(".\($0)") }) {
                throw Self.blocked("\(place)", "names that end with “\(kind)” are of this machine or its network")
            }
        }
    }

    /// The addresses of a place, all of which may be connected to.
    ///
    /// - Throws: 403 `url_blocked`, 502 where the name has no address.
    func addresses(of place: HostPort) async throws -> [IPAddress] {
        try check(place)
        guard case .name(let name) = place.host else {
            guard case .address(let address) = place.host else { return [] }
            return [address]
        }
        let found = try await resolver(name)
        guard !found.isEmpty else {
            throw ServiceError(.badGateway, code: "page_unreachable", "There is no host “\(name)”, or its name cannot be resolved now.")
        }
        if !allowed.contains(place) { try judge(found, of: place) }
        return found
    }

    /// One address that is not public condemns its name: which of them is connected to would be chance.
    private func judge(_ addresses: [IPAddress], of place: HostPort) throws {
        for address in addresses {
            if let kind = SpecialAddresses.kind(of: address) ?? LocalNetworks.kind(of: address) {
                throw Self.blocked("\(place)", "\(address) is \(kind)")
            }
        }
    }

    /// Names that mean this machine or its network whatever a resolver says (RFC 6761, RFC 6762, RFC 8375; ICANN for “internal”).
    private static let privateNames = ["localhost", "local", "localdomain", "internal", "home.arpa", "onion"]

    static func blocked(_ what: String, _ why: String) -> ServiceError {
        ServiceError(
            .forbidden, code: "url_blocked",
            "“\(what)” is not opened: \(why). Web tools open public addresses and those that WEB_ALLOWED_HOSTS names.", parameter: "url")
    }

    /// The system's resolver. Who stops waiting for it goes on at once: it cannot be interrupted.
    static let system: Resolver = { name in
        let (answers, answer) = AsyncThrowingStream.makeStream(of: [IPAddress].self)
        let lookup = Task {
            do { answer.yield(try await offPool { IPAddress.resolved(name) }) } catch { answer.finish(throwing: error) }
            answer.finish()
        }
        // One that has not begun never does.
        answer.onTermination = { _ in lookup.cancel() }
        for try await found in answers { return found }
        throw CancellationError()
    }
}
