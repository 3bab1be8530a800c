/// Addresses that are no place on the public internet: those of this machine, of private networks, and all else that the registries of
/// special-purpose addresses hold (RFC 6890, as IANA keeps them up to date).
enum SpecialAddresses {
    /// What an address is, in words, if it is no public one.
    static func kind(of address: IPAddress) -> String? {
        switch address {
        case .v4(let bits): return v4.first { $0.holds(bits) }?.kind
        case .v6(let bits):
            if let carried = carriedV4(bits) { return kind(of: .v4(carried)) }
            if let block = v6.first(where: { $0.holds(bits) }) { return block.kind }
            // Nothing outside 2000::/3 was given out as global unicast (RFC 4291, 2.4).
            return bits >> 125 == 1 ? nil : "a reserved address"
        }
    }

    /// The IPv4 address that an IPv6 address stands for: mapped (RFC 4291, 2.5.5.2), or through a translator (RFC 6052).
    private static func carriedV4(_ bits: UInt128) -> UInt32? {
        let mapped: UInt128 = 0xFFFF
        let translated: UInt128 = 0x0064_FF9B << 64
        return [mapped, translated].contains(bits >> 32) ? UInt32(truncatingIfNeeded: bits) : nil
    }

    private struct Block<Bits: FixedWidthInteger & Sendable>: Sendable {
        let prefix: Bits
        let length: Int
        let kind: String

        func holds(_ bits: Bits) -> Bool { (bits ^ prefix) >> Bits(Bits.bitWidth - length) == 0 }
    }

    private static func v4(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ length: Int, _ kind: String) -> Block<UInt32> {
        Block(prefix: a << 24 | b << 16 | c << 8, length: length, kind: kind)
    }

    private static func v6(_ a: UInt128, _ b: UInt128, _ c: UInt128, _ length: Int, _ kind: String) -> Block<UInt128> {
        Block(prefix: a << 112 | b << 96 | c << 80, length: length, kind: kind)
    }

    private static let v4 = [
        v4(0, 0, 0, 8, "an address of this machine"),
        v4(10, 0, 0, 8, "a private address"),
        v4(100, 64, 0, 10, "an address shared behind a provider's NAT"),
        v4(127, 0, 0, 8, "a loopback address"),
        Block<UInt32>(prefix: 0xA83F_8110, length: 32, kind: "an address of a cloud's host"),
        v4(169, 254, 0, 16, "a link-local address"),
        v4(172, 16, 0, 12, "a private address"),
        v4(192, 0, 0, 24, "an address for protocols"),
        v4(192, 0, 2, 24, "an address for documentation"),
        v4(192, 31, 196, 24, "an address for protocols"),
        v4(192, 52, 193, 24, "an address for protocols"),
        v4(192, 88, 99, 24, "an address of 6to4 relays"),
        v4(192, 168, 0, 16, "a private address"),
        v4(192, 175, 48, 24, "an address for protocols"),
        v4(198, 18, 0, 15, "an address for benchmarks"),
        v4(198, 51, 100, 24, "an address for documentation"),
        v4(203, 0, 113, 24, "an address for documentation"),
        v4(224, 0, 0, 4, "a multicast address"),
        v4(240, 0, 0, 4, "a reserved address"),
    ]

    private static let v6 = [
        Block<UInt128>(prefix: 1, length: 128, kind: "a loopback address"),
        Block<UInt128>(prefix: 0, length: 128, kind: "an address of this machine"),
        v6(0xFC00, 0, 0, 7, "a private address"),
        v6(0xFE80, 0, 0, 10, "a link-local address"),
        v6(0xFEC0, 0, 0, 10, "a private address"),
        v6(0xFF00, 0, 0, 8, "a multicast address"),
        // Teredo, benchmarks and ORCHID among them.
        v6(0x2001, 0, 0, 23, "an address for protocols"),
        v6(0x2001, 0x0DB8, 0, 32, "an address for documentation"),
        // Its packets go to the IPv4 address that it carries; nobody should use it any more (RFC 7526).
        v6(0x2002, 0, 0, 16, "a 6to4 address"),
        v6(0x2620, 0x004F, 0x8000, 48, "an address for protocols"),
        v6(0x3FFF, 0, 0, 20, "an address for documentation"),
    ]
}
