import HTTPTypes
import ServiceKit
import Suite
import TestSupport
import Testing

@testable import Tools

/// What web tools take for an address, and which of them they open.
@Suite("Addresses of web pages")
struct AddressTests {
    private static let nobody = WebPolicy(allowed: [], resolver: { _ in [] })

    private func code(_ url: String, _ policy: WebPolicy = nobody) -> String? {
        do {
            try policy.check(try WebAddress(url).place)
            return nil
        } catch {
            return (error as? ServiceError).map { "\($0.status.code) \($0.code)" } ?? "\(error)"
        }
    }

    @Test(
        "Every spelling of an address that is not public is refused",
        arguments: [
            "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://0x7f.1/", "http://0x7f000001/", "http://0X7F.0.0.1/",
            "http://2130706433/", "http://017700000001/", "http://0177.0.0.1/", "http://0177.0x0.0.1/", "http://127.0.0.1./",
            "http://127.255.255.254/", "http://0/", "http://0.0.0.0/", "http://0x0/", "http://0x/", "http://00/", "http://0.1.2.3/",
            "http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://127．0．0．1/", "http://127｡0｡0｡1/",
            "http://%31%32%37.0.0.1/",
            "http://127%2e0%2e0%2e1/", "http://10.0.0.1/", "http://10.255.255.255/", "http://0xa000001/", "http://167772161/",
            "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.0.1/", "http://192.168.257/", "http://0xc0a80001/",
            "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/",
            "http://169.254.43518/", "http://100.64.0.1/", "http://100.100.100.200/", "http://100.127.255.255/", "http://192.0.0.192/",
            "http://192.0.2.1/", "http://198.18.0.1/", "http://198.19.255.255/", "http://198.51.100.7/", "http://203.0.113.9/",
            "http://192.88.99.1/", "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/",
            "http://4294967295/", "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[0000::0001]/",
            "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::FFFF:A9FE:A9FE]/", "http://[::ffff:10.0.0.1]/",
            "http://[::127.0.0.1]/", "http://[::7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::169.254.169.254]/",
            "http://[64:ff9b:1::1]/", "http://[2002:7f00:1::]/", "http://[2002:a9fe:a9fe::1]/", "http://[2002:808:808::1]/",
            "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[2001:db8::1]/", "http://[3fff::1]/", "http://[100::1]/",
            "http://[fc00::1]/", "http://[fd00:ec2::254]/", "http://[fe80::1]/", "http://[febf::1]/", "http://[fec0::1]/",
            "http://[ff02::1]/", "http://[5f00::1]/", "http://localhost/", "http://LOCALHOST/", "http://localhost./",
            "http://ｌｏｃａｌｈｏｓｔ/", "http://a.localhost/", "http://printer.local/", "http://metadata.google.internal/",
            "http://router.home.arpa/", "http://localhost.localdomain/", "http://a:b@example.com/", "http://127.0.0.1@example.com/",
            "http://example.com@127.0.0.1/", "http://example.com:22/", "http://example.com:25/", "http://example.com:1/",
            "https://example.com:445/", "ftp://example.com/", "file:///etc/passwd", "FILE:///etc/passwd", "javascript:alert(1)",
            "data:text/html,x", "view-source:http://example.com/", "chrome://version/", "blob:http://example.com/1", "about:blank",
            "ws://example.com/", "gopher://example.com/",
        ])
    func refused(_ url: String) { #expect(code(url) == "403 url_blocked") }

    @Test(
        "What is no address is told from what is refused",
        arguments: [
            "", " ", "example.com", "example.com:8080/", "127.0.0.1:80/", "//example.com/", "http:", "http://", "http:///etc/passwd",
            "http:example.com", "http:/example.com",
            "http://:80/", "http://exa mple.com/", "http://example.com:99999/", "http://example.com:0/", "http://example.com:80a/",
            "http://example.com\\@127.0.0.1/", "http:\\\\127.0.0.1/", "http://256.0.0.1/", "http://1.2.3.4.5/", "http://4294967296/",
            "http://0x100000000/", "http://127.0.0.08/", "http://1.2.3.999/", "http://a..b/", "http://.a/", "http://a%00b/", "http://a%zz/",
            "http://[::1/", "http://[fe80::1%25eth0]/", "http://[1.2.3.4]/", "http://[:::1]/", "http://a\u{200B}b.com/",
            "http://a/\r\nX: y",
            "http://a/\u{0}", "http://a\tb/", "http://a<b/", "http://a^b/", "http://\(String(repeating: "a", count: 64)).com/",
        ])
    func malformed(_ url: String) { #expect(code(url) == "422 invalid_value") }

    @Test(
        "Public addresses are opened, and written anew in one way",
        arguments: [
            ("http://example.com", "http://example.com/"), ("HTTP://EXAMPLE.com:80/a?b#c", "http://example.com/a?b#c"),
            ("https://example.com.:443/", "https://example.com/"), ("https://example.com:8443/", "https://example.com:8443/"),
            ("http://8.8.8.8/", "http://8.8.8.8/"), ("http://134744072/", "http://8.8.8.8/"), ("http://0x08080808/", "http://8.8.8.8/"),
            ("http://[2606:4700::1111]/", "http://[2606:4700::1111]/"), ("http://[::ffff:8.8.8.8]/", "http://[::ffff:8.8.8.8]/"),
            ("http://[64:ff9b::8.8.8.8]/", "http://[64:ff9b::808:808]/"), ("http://example.com?q=한", "http://example.com/?q=한"),
            ("http://한국.kr/", "http://xn--3e0b707e.kr/"), ("http://bücher.example/", "http://xn--bcher-kva.example/"),
            ("http://ＥＸＡＭＰＬＥ。com/", "http://example.com/"), ("http://172.32.0.1/", "http://172.32.0.1/"),
            ("http://100.128.0.1/", "http://100.128.0.1/"), ("http://a.b-c.example:1024/", "http://a.b-c.example:1024/"),
        ])
    func opened(_ url: String, _ canonical: String) throws {
        #expect(code(url) == nil)
        #expect(try WebAddress(url).description == canonical)
    }

    @Test("Hosts that the operator names are opened at that port and no other, however they are spelled")
    func allowed() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(["WEB_ALLOWED_HOSTS": "127.0.0.1:8080, wiki.internal:22,[::1]:9000"], folder: folder)
            let policy = try WebPolicy(settings: settings)
            for url in ["http://127.0.0.1:8080/", "http://0x7f.1:8080/", "http://WIKI.internal:22/", "https://[0::1]:9000/"] {
                #expect(code(url, policy) == nil, "\(url)")
            }
            for url in ["http://127.0.0.1/", "http://127.0.0.1:8081/", "http://127.0.0.2:8080/", "http://localhost:8080/", "http://[::1]/"]
            {
                #expect(code(url, policy) == "403 url_blocked", "\(url)")
            }
            for text in ["127.0.0.1", "http://a:80", "a:", "a:b", "a:0"] {
                let bad = try await Settings.test(["WEB_ALLOWED_HOSTS": text], folder: folder)
                #expect(throws: InvalidSettings.self, "\(text)") { try WebPolicy(settings: bad) }
            }
        }
    }

    @Test("A name with one address that is not public is refused, whatever its others are")
    func mixedNames() async throws {
        let answers: [String: [IPAddress]] = [
            "public.example": [.v4(0x0808_0808)], "mixed.example": [.v4(0x0808_0808), .v4(0x0A00_0001)], "inner.example": [.v6(1)],
        ]
        let policy = WebPolicy(allowed: [], resolver: { answers[$0] ?? [] })
        func outcome(_ name: String) async -> String {
            do {
                return "\(try await policy.addresses(of: HostPort(.name(name), 80)))"
            } catch {
                return (error as? ServiceError)?.code ?? "\(error)"
            }
        }
        #expect(await outcome("public.example") == "[8.8.8.8]")
        #expect(await outcome("mixed.example") == "url_blocked")
        #expect(await outcome("inner.example") == "url_blocked")
        #expect(await outcome("nowhere.example") == "page_unreachable")
    }
}
