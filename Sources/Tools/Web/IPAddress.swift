import Foundation

/// An IPv4 or IPv6 address.
enum IPAddress: Hashable, Sendable, CustomStringConvertible {
    case v4(UInt32)
    case v6(UInt128)

    /// An IPv6 address in its text form (RFC 4291, 2.2); zones are not taken.
    init?(v6 text: String) {
        var bytes = in6_addr()
        guard inet_pton(AF_INET6, text, &bytes) == 1 else { return nil }
        self = .v6(withUnsafeBytes(of: &bytes) { $0.reduce(0) { $0 << 8 | UInt128($1) } })
    }

    var description: String {
        switch self {
        case .v4(let bits): return [24, 16, 8, 0].map { String(bits >> $0 & 0xFF) }.joined(separator: ".")
        case .v6(let bits):
            var bytes = in6_addr()
            withUnsafeMutableBytes(of: &bytes) { bytes in
                for index in 0..<16 { bytes[index] = UInt8(truncatingIfNeeded: bits >> UInt128(120 - 8 * index)) }
            }
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            inet_ntop(AF_INET6, &bytes, &text, socklen_t(text.count))
            return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }
}

extension IPAddress {
    /// Every address of a name, as the system resolves it.
    ///
    /// Blocks for as long as that takes.
    static func resolved(_ name: String) -> [IPAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_protocol = Int32(IPPROTO_TCP)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [IPAddress] = []
        var next = list
        while let entry = next?.pointee {
            if let address = entry.ai_addr.flatMap(IPAddress.init(socketAddress:)), !found.contains(address) { found.append(address) }
            next = entry.ai_next
        }
        return found
    }

    private init?(socketAddress: UnsafeMutablePointer<sockaddr>) {
        switch Int32(socketAddress.pointee.sa_family) {
        case AF_INET:
            self = socketAddress.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                .v4(UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
            }
        case AF_INET6:
            self = socketAddress.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                .v6(withUnsafeBytes(of: &address.pointee.sin6_addr) { $0.reduce(0) { $0 << 8 | UInt128($1) } })
            }
        default: return nil
        }
    }
}
