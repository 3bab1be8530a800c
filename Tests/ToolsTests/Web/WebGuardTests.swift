import Foundation
import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import ServiceKit
import Suite
import Synchronization
import TestSupport
import Testing

@testable import Tools

/// Pages that try to lead the browser where it must not go. The place is a server on this machine that must not see a single connection.
extension WebToolTests {
    /// A site that may be opened beside one that may not.
    private func withCanary<Value: Sendable>(
        _ pages: @escaping @Sendable (_ path: String, _ canary: Int) -> String,
        _ body: @escaping @Sendable (WebBench, _ url: String, _ canary: Int) async throws -> Value
    ) async throws -> Value {
        try await LocalWeb.with { canary in
            try await LocalWeb.with({ path, _ in pages(path, canary.port) }) { web in
                try await WebBench.with(allowing: [web.port]) { bench in
                    let value = try await body(bench, "http://127.0.0.1:\(web.port)/", canary.port)
                    #expect(canary.connectionCount == 0, "\(canary.paths)")
                    #expect(web.connectionCount > 0)
                    return value
                }
            }
        }
    }

    @Test(
        "weakness_22: a page that leads to a refused address ends the call",
        arguments: ["redirect", "redirects", "refresh", "header", "script", "late", "form", "localhost", "v6", "decimal"])
    func ledAway(_ way: String) async throws {
        let pages: @Sendable (String, Int) -> String = { path, canary in
            let target = "http://127.0.0.1:\(canary)/x"
            return switch path {
            case "/redirect", "/again": redirect(to: target)
            case "/redirects": redirect(to: "/again")
            case "/refresh": html("<meta http-equiv=refresh content='0;url=\(target)'>")
            case "/header": html("", fields: ["Refresh: 0;url=\(target)"])
            case "/script": html("<script>location = '\(target)'</script>")
            case "/late": html("<script>setTimeout(() => location.replace('\(target)'), 300)</script>")
            case "/form": html("<form method=post action='\(target)'><input name=a></form><script>document.forms[0].submit()</script>")
            case "/localhost": redirect(to: "http://localhost:\(canary)/")
            case "/v6": redirect(to: "http://[::ffff:127.0.0.1]:\(canary)/")
            default: redirect(to: "http://2130706433:\(canary)/")
            }
        }
        try await withCanary(pages) { bench, url, canary in
            let error = try await bench.refusal("web_scrape", ["url": .string(url + way), "selector": "p"])
            #expect(error.status == .forbidden && error.code == "url_blocked", "\(error)")
            #expect(error.message.contains("\(canary)"), "\(error)")
        }
    }

    @Test(
        "A page that tries to lead to another scheme stays where it is, or ends the call",
        arguments: ["file", "chrome", "source", "data", "blank"])
    func otherSchemes(_ way: String) async throws {
        let targets = [
            "file": "file:///etc/passwd", "chrome": "chrome://version/", "source": "view-source:http://127.0.0.1/",
            "data": "data:text/html,<p>root:</p>", "blank": "about:blank",
        ]
        let target = try #require(targets[way])
        try await withCanary({ _, _ in html("<p>여기</p><iframe src='\(target)'></iframe><script>location = '\(target)'</script>") }) {
            bench, url, _ in
            let outcome = await Result { try await bench.scrape(url) }
            switch outcome {
            case .success(let read): #expect(read == ["여기"])
            case .failure(let error as ServiceError): #expect(["url_blocked", "page_unreachable"].contains(error.code), "\(error)")
            case .failure(let error): throw error
            }
        }
    }

    @Test("weakness_22: no part of a page reaches a refused address, and what was refused is told")
    func parts() async throws {
        let pages: @Sendable (String, Int) -> String = { path, canary in
            let target = "127.0.0.1:\(canary)"
            guard !path.hasPrefix("/to") else { return redirect(to: "http://\(target)\(path)") }
            guard !path.hasPrefix("/frame") else { return html("<script>location = 'http://\(target)/frame'</script>") }
            return html(
                """
                <link rel=preconnect href='http://\(target)'><link rel=dns-prefetch href='//localhost:\(canary)'>
                <link rel=prefetch href='http://\(target)/prefetch'><link rel=stylesheet href='http://\(target)/a.css'>
                <link rel=icon href='http://\(target)/icon.png'><link rel=stylesheet href='/to.css'>
                <style>@import url(http://\(target)/b.css); p { background: url(http://\(target)/c.png) }
                @font-face { font-family: f; src: url(http://\(target)/f.woff2) } p { font-family: f }</style>
                <p id=a>여기</p><img src='http://\(target)/a.png'><img src='/to.png'><img src='http://localhost:\(canary)/b.png'>
                <img src='http://[::1]:\(canary)/'><img src='http://2130706433:\(canary)/'><iframe src='http://\(target)/'></iframe>
                <iframe src='/to.html'></iframe><iframe src='/frame'></iframe><iframe src='file:///etc/passwd'></iframe>
                <script src='http://\(target)/a.js'></script><script src='/to.js'></script><video src='http://\(target)/a.mp4'></video>
                <object data='http://\(target)/o'></object><embed src='http://\(target)/e'>
                <script>
                const got = [];
                const try_ = f => { try { const p = f(); if (p && p.then) p.then(() => got.push('in'), () => 0) } catch {} };
                try_(() => fetch('http://\(target)/fetch', { mode: 'no-cors' })); try_(() => fetch('/to.fetch', { mode: 'no-cors' }));
                try_(() => fetch('file:///etc/passwd')); try_(() => navigator.sendBeacon('http://\(target)/beacon', 'x'));
                try_(() => { new WebSocket('ws://\(target)/socket').onopen = () => got.push('in') });
                try_(() => { new EventSource('http://\(target)/events').onopen = () => got.push('in') });
                try_(() => new Worker(URL.createObjectURL(new Blob(["fetch('http://\(target)/worker', {mode: 'no-cors'})"]))));
                try_(() => { new WebTransport('https://\(target)/transport').ready.then(() => got.push('in'), () => 0) });
                try_(() => {
                    const peer = new RTCPeerConnection({ iceServers: [{ urls: 'stun:\(target)' }, { urls: 'turn:\(target)?transport=tcp', username: 'a', credential: 'b' }] });
                    peer.createDataChannel('x'); return peer.createOffer().then(offer => peer.setLocalDescription(offer)).then(() => new Promise(() => 0));
                });
                const frame = document.createElement('iframe'); frame.srcdoc = "<img src='http://\(target)/inner'>"; document.body.append(frame);
                window.open('http://\(target)/popup');
                setTimeout(() => document.querySelector('#a').textContent += got.join(), 1500);
                </script>
                """)
        }
        try await withCanary(pages) { bench, url, canary in
            // Nothing may come over UDP either.
            let packets = Packets()
            let datagrams = try await DatagramBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .channelInitializer { $0.pipeline.addHandler(PacketCounter(packets)) }.bind(host: "127.0.0.1", port: canary).get()
            let result = try await bench.call(
                "web_automate", ["url": .string(url), "actions": ##"[{"type":"wait","value":3},{"type":"screenshot"}]"##])
            #expect(result.text.contains("Not loaded") && result.text.contains("127.0.0.1:\(canary)"), "\(result.text)")
            #expect(try await bench.scrape(url) == ["여기"])
            #expect(packets.count == 0)
            try await datagrams.close()
        }
    }

    @Test("weakness_22: a name is resolved once in a call, and what was judged is connected to")
    func rebinding() async throws {
        try await LocalWeb.with({ _, _ in html("<p>첫째</p><img src=/a.png><script src=/a.js></script>") }) { web in
            let counter = Questions()
            let place = HostPort(.name("rebind.example"), web.port)
            let policy = WebPolicy(
                allowed: [place],
                // 127.0.0.1 at first, 127.0.0.2 ever after: had anybody asked again, the page would not load.
                resolver: { _ in [.v4(counter.next() == 1 ? 0x7F00_0001 : 0x7F00_0002)] })
            try await withScratchFolder { folder in
                let pages = WebPages(settings: try await .test(folder: folder), policy: policy, logger: Logger(label: "test"))
                let read = try await pages.withPage("http://rebind.example:\(web.port)/") { try await $0.texts(selector: "p").values }
                #expect(read == ["첫째"])
                #expect(web.paths.contains("/a.png") && web.paths.contains("/a.js"))
            }
            #expect(counter.count == 1)
        }
        let counter = Questions()
        let answers: [IPAddress] = [.v4(0x0808_0808), .v4(0x7F00_0001)]
        let destinations = Destinations(WebPolicy(allowed: [], resolver: { _ in [answers[min(counter.next(), 2) - 1]] }))
        for _ in 0..<3 { #expect(try await destinations.addresses(of: HostPort(.name("a.example"), 80)) == [answers[0]]) }
        await #expect(throws: ServiceError.self) { try await destinations.addresses(of: HostPort(.name("a.example"), 8080)) }
    }

    @Test("The proxy of a page serves who knows its password, and goes nowhere else")
    func proxy() async throws {
        try await LocalWeb.with { canary in
            try await LocalWeb.with { web in
                let allowed = HostPort(.address(.v4(0x7F00_0001)), web.port)
                let traffic = Traffic(limit: 1 << 20) { _ in }
                let proxy = try await PageProxy(Destinations(WebPolicy(allowed: [allowed])), traffic: traffic)
                let running = Task { try await proxy.run() }
                defer { running.cancel() }
                let secret = "Proxy-Authorization: Basic " + Data("\(PageProxy.user):\(proxy.password)".utf8).base64EncodedString() + "\r\n"
                let good = "127.0.0.1:\(web.port)"
                for (request, answer) in [
                    ("GET http://\(good)/ HTTP/1.1\r\n\r\n", "HTTP/1.1 407"), ("CONNECT \(good) HTTP/1.1\r\n\r\n", "HTTP/1.1 407"),
                    ("CONNECT \(good) HTTP/1.1\r\nProxy-Authorization: Basic cGFnZTp4\r\n\r\n", "HTTP/1.1 407"),
                    ("GET http://\(good)/a HTTP/1.1\r\n\(secret)\r\n", "HTTP/1.1 200"),
                    ("CONNECT \(good) HTTP/1.1\r\n\(secret)\r\nGET /b HTTP/1.1\r\n\r\n", "HTTP/1.1 200"),
                    ("CONNECT 127.0.0.1:\(canary.port) HTTP/1.1\r\n\(secret)\r\n", "HTTP/1.1 403"),
                    ("CONNECT localhost:\(canary.port) HTTP/1.1\r\n\(secret)\r\n", "HTTP/1.1 403"),
                    ("GET http://127.0.0.1:\(canary.port)/ HTTP/1.1\r\n\(secret)\r\n", ""),
                    ("GET http://127.0.0.1:\(canary.port)/ HTTP/1.1\r\nHost: \(good)\r\n\(secret)\r\n", ""),
                    ("GET / HTTP/1.1\r\nHost: \(good)\r\n\(secret)\r\n", "HTTP/1.1 400"), ("nonsense\r\n\r\n", "HTTP/1.1 400"),
                    ("GET file:///etc/passwd HTTP/1.1\r\n\(secret)\r\n", "HTTP/1.1 400"),
                    ("GET http://a@\(good)/ HTTP/1.1\r\n\(secret)\r\n", "HTTP/1.1 400"),
                    ("POST http://\(good)/ HTTP/1.1\r\n\(secret)Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400"),
                    ("GET http://\(good)/c HTTP/1.1\r\n\(secret)\r\nGET http://127.0.0.1:\(canary.port)/ HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
                ] {
                    let told = try await say(request, to: proxy.port)
                    #expect(answer.isEmpty ? told.isEmpty : told.hasPrefix(answer), "\(request) was answered with \(told.prefix(80))")
                    #expect(!told.contains(proxy.password))
                }
                #expect(Set(web.paths) == ["/a", "/b"])
                #expect(canary.connectionCount == 0)
            }
        }
    }

    /// Sends bytes and reads until the other side closes.
    private func say(_ text: String, to port: Int) async throws -> String {
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup).connect(host: "127.0.0.1", port: port) {
            channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
        }
        return try await withDeadline(.seconds(10)) {
            try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(string: text))
                var told = ""
                do { for try await part in inbound { told += String(buffer: part) } } catch is IOError {}
                return told
            }
        }
    }
}

extension Result where Failure == any Error {
    fileprivate init(catching work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }
}

private final class Questions: Sendable {
    private let asked = Atomic(0)
    var count: Int { asked.load(ordering: .relaxed) }
    func next() -> Int { asked.add(1, ordering: .relaxed).newValue }
}

private final class Packets: Sendable {
    private let seen = Atomic(0)
    var count: Int { seen.load(ordering: .relaxed) }
    func add() { seen.add(1, ordering: .relaxed) }
}

private final class PacketCounter: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let packets: Packets

    init(_ packets: Packets) { self.packets = packets }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { packets.add() }
}
