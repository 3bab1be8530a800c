import NIOCore

/// Networks that this machine is part of: public addresses too can be those of a home or an office, behind its firewall.
enum LocalNetworks {
    /// What an address is, in words, if it is this machine's or on one of its links.
    static func kind(of address: IPAddress) -> String? {
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.contains { device in
            guard let own = device.address.flatMap(IPAddress.init), let mask = device.netmask.flatMap(IPAddress.init) else { return false }
            return holds(address, own: own, mask: mask)
        } ? "in a network of this machine" : nil
    }

    static func holds(_ address: IPAddress, own: IPAddress, mask: IPAddress) -> Bool {
        switch (address, own, mask) {
        case (.v4(let address), .v4(let own), .v4(let mask)): mask != 0 && (address ^ own) & mask == 0
        case (.v6(let address), .v6(let own), .v6(let mask)): mask != 0 && (address ^ own) & mask == 0
        default: false
        }
    }
}

extension IPAddress {
    init?(_ address: SocketAddress) {
        guard let text = address.ipAddress?.split(separator: "%").first.map(String.init) else { return nil }
        let parts = text.split(separator: ".").compactMap { UInt32($0) }
        if parts.count == 4 { self = .v4(parts.reduce(0) { $0 << 8 | $1 }) } else { self.init(v6: text) }
    }
}
