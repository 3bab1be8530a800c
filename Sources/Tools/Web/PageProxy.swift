import Foundation
import HTTPTypes
import NIOCore
import NIOPosix
import ServiceKit
import Synchronization

/// The only way out of a page: an HTTP proxy of one call, on a random port of the loopback interface, for who knows its random password.
///
/// It decides by ``Destinations`` and connects to the very address that was judged, so that neither a redirect nor a part of a page nor a
/// script can lead elsewhere. A connection carries one request: servers are asked to close, and what came after would be refused.
struct PageProxy: Sendable {
    static let user = "page"

    let port: Int
    let password: String
    private let server: NIOAsyncChannel<any Channel, Never>
    private let accepted: Accepted
    private let destinations: Destinations
    private let traffic: Traffic

    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    init(_ destinations: Destinations, traffic: Traffic) async throws {
        let accepted = Accepted()
        // Connections come as bare channels, which may be dropped; wrapped ones that nobody serves any more would end the process
        // (swift-nio issue 2637). They read nothing until they are served.
        server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: false)
            .bind(host: "127.0.0.1", port: 0) { channel in
                accepted.add(channel)
                return channel.eventLoop.makeSucceededFuture(channel)
            }
        self.accepted = accepted
        port = server.channel.localAddress?.port ?? 0
        password = UUID().uuidString
        self.destinations = destinations
        self.traffic = traffic
    }

    private static func wrapped(_ channel: any Channel) throws -> Connection {
        try Connection(wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    /// Serves until it is cancelled.
    func run() async throws {
        defer { accepted.close() }
        try await server.executeThenClose { clients in
            try await withThrowingDiscardingTaskGroup { group in
                for try await client in clients {
                    // What goes wrong on one connection is that connection's end and nobody else's.
                    group.addTask { try? await serve(client) }
                }
            }
        }
    }

    private func serve(_ channel: any Channel) async throws {
        let client = try await channel.eventLoop.submit { try Self.wrapped(channel) }.get()
        try await client.executeThenClose { inbound, outbound in
            try await channel.setOption(.autoRead, value: true).get()
            var incoming = inbound.makeAsyncIterator()
            guard var (text, rest) = try await Self.head(&incoming) else { return }
            guard let request = ProxyRequest(text) else { return try await outbound.answer("400 Bad Request") }
            text = ""
            guard request.authorization == "Basic " + Data("\(Self.user):\(password)".utf8).base64EncodedString() else {
                return try await outbound.answer("407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"page\"")
            }
            guard request.isTunnel || rest.readableBytes <= request.bodyBytes else { return try await outbound.answer("400 Bad Request") }
            let upstream: Connection
            do {
                upstream = try await connect(request.place)
            } catch let error as ServiceError {
                // A page must not take our answer for the server's: without a tunnel there is none.
                if request.isTunnel { try await outbound.answer(error.status == .forbidden ? "403 Forbidden" : "502 Bad Gateway") }
                return
            }
            try await upstream.executeThenClose { answers, requests in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        if request.isTunnel { try await outbound.write(ByteBuffer(string: "HTTP/1.1 200 Connection established\r\n\r\n")) }
                        do {
                            for try await part in answers {
                                try traffic.count(part.readableBytes)
                                try await outbound.write(part)
                            }
                        } catch {
                            // The browser learns of a connection that broke by its own breaking.
                            channel.close(promise: nil)
                            throw error
                        }
                        outbound.finish()
                    }
                    if !request.isTunnel { try await requests.write(ByteBuffer(string: request.head)) }
                    var left = request.isTunnel ? Int.max : request.bodyBytes
                    while true {
                        guard rest.readableBytes <= left else { throw ChannelError.operationUnsupported }
                        left -= request.isTunnel ? 0 : rest.readableBytes
                        if rest.readableBytes > 0 { try await requests.write(rest) }
                        guard let next = try await incoming.next() else { break }
                        rest = next
                    }
                    requests.finish()
                    try await group.waitForAll()
                }
            }
        }
    }

    /// The head of a request, and what came after it.
    private static func head(_ incoming: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator) async throws -> (String, ByteBuffer)?
    {
        var bytes = ByteBuffer()
        while let part = try await incoming.next() {
            bytes.writeImmutableBuffer(part)
            if let end = bytes.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound {
                let text = bytes.readString(length: end - bytes.readerIndex) ?? ""
                return (text, bytes)
            }
            guard bytes.readableBytes <= ProxyRequest.maxBytes else { return nil }
        }
        return nil
    }

    private func connect(_ place: HostPort) async throws -> Connection {
        let addresses = try await destinations.addresses(of: place)
        var reason = ""
        for address in addresses.prefix(4) {
            do {
                return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                    .connectTimeout(.seconds(10))
                    .channelOption(.allowRemoteHalfClosure, value: true)
                    .connect(to: try SocketAddress(ipAddress: address.description, port: place.port)) { channel in
                        channel.eventLoop.makeCompletedFuture { try Self.wrapped(channel) }
                    }
            } catch {
                try Task.checkCancellation()
                reason = "\(error)"
            }
        }
        let error = ServiceError(.badGateway, code: "page_unreachable", "“\(place)” cannot be connected to: \(reason.prefix(200)).")
        await destinations.failed(place, error)
        throw error
    }
}

/// Connections that were accepted, so that those that are never served are closed too.
private final class Accepted: Sendable {
    private let channels = Mutex<[ObjectIdentifier: any Channel]>([:])

    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        channels.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in self.channels.withLock { $0[id] = nil } }
    }

    func close() {
        for channel in channels.withLock({ Array($0.values) }) { channel.close(promise: nil) }
    }
}

extension NIOAsyncChannelOutboundWriter<ByteBuffer> {
    fileprivate func answer(_ status: String, _ field: String = "Server: maru") async throws {
        try await write(ByteBuffer(string: "HTTP/1.1 \(status)\r\n\(field)\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
        finish()
    }
}
