import Testing

@testable import Tools

@Suite("Networks of this machine")
struct LocalNetworksTests {
    @Test("weakness_22: an address on a link of this machine is not public, whatever its number")
    func links() {
        let mask = IPAddress.v4(0xFFFF_FF00)
        #expect(LocalNetworks.holds(.v4(0x0808_0809), own: .v4(0x0808_0801), mask: mask))
        #expect(!LocalNetworks.holds(.v4(0x0808_0909), own: .v4(0x0808_0801), mask: mask))
        #expect(!LocalNetworks.holds(.v4(0x0808_0809), own: .v4(0x0808_0801), mask: .v4(0)))
        #expect(!LocalNetworks.holds(.v6(1), own: .v4(1), mask: .v4(0xFFFF_FFFF)))
        let prefix = UInt128(0x2A02_0001) << 96
        #expect(LocalNetworks.holds(.v6(prefix | 7), own: .v6(prefix | 1), mask: .v6(UInt128.max << 64)))
        #expect(LocalNetworks.kind(of: .v4(0x7F00_0001)) != nil)
        #expect(SpecialAddresses.kind(of: .v4(0xA83F_8110)) != nil)
    }
}
