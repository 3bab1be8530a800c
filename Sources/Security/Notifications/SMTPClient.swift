import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import ServiceKit

/// Hands one mail to a mail server, each over a connection of its own.
struct SMTPClient: Sendable {
    let host: String
    let port: Int
    let login: SMTPDialogue.Login?
    let usesTLS: Bool
    /// Whether the server's certificate has to be valid. Only for a server on this machine can that be waived.
    let verifiesCertificate: Bool
    var limit: Duration = .seconds(30)

    var isLoopback: Bool { Self.isLoopback(host) }

    static func isLoopback(_ host: String) -> Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") && isAddress(host) }

    private static func isAddress(_ host: String) -> Bool { (try? SocketAddress(ipAddress: host, port: 0)) != nil }

    /// - Returns: the recipients that the server did not take, each with its reason.
    /// - Throws: ``SMTPError``, or why there is no connection.
    func send(_ message: MailMessage) async throws -> [String] {
        let dialogue = SMTPDialogue(message, login: login, needsTLS: usesTLS, isLoopback: isLoopback)
        var configuration = TLSConfiguration.makeClientConfiguration()
        if !verifiesCertificate, isLoopback { configuration.certificateVerification = .none }
        let tls = usesTLS ? try NIOSSLContext(configuration: configuration) : nil
        let name = Self.isAddress(host) ? nil : host
        let outcome = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: [String].self)
        return try await withDeadline(limit) {
            let channel: any Channel
            do {
                channel = try await ClientBootstrap(group: outcome.futureResult.eventLoop)
                    .connectTimeout(.seconds(10))
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(
                                SMTPHandler(dialogue, tls: tls, serverName: name, outcome: outcome))
                        }
                    }
                    .connect(host: host, port: port).get()
            } catch {
                outcome.fail(error)
                throw error
            }
            return try await withTaskCancellationHandler {
                try await outcome.futureResult.get()
            } onCancel: {
                channel.close(promise: nil)
            }
        }
    }
}

/// Carries out ``SMTPDialogue`` on a connection.
private final class SMTPHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var dialogue: SMTPDialogue
    private let tls: NIOSSLContext?
    private let serverName: String?
    private let outcome: EventLoopPromise<[String]>
    private var received = ByteBuffer()
    private var isDone = false

    init(_ dialogue: SMTPDialogue, tls: NIOSSLContext?, serverName: String?, outcome: EventLoopPromise<[String]>) {
        self.dialogue = dialogue
        self.tls = tls
        self.serverName = serverName
        self.outcome = outcome
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        while !isDone, let end = received.readableBytesView.firstIndex(of: 0x0A) {
            let line = received.readString(length: end - received.readerIndex + 1) ?? ""
            act(dialogue.receive(line.trimmingCharacters(in: .newlines)), context)
        }
        if received.readableBytes > 4_096 { finish(.failure(SMTPError("The mail server's line has no end.", isPermanent: false)), context) }
        received.discardReadBytes()
    }

    private func act(_ action: SMTPDialogue.Action, _ context: ChannelHandlerContext) {
        switch action {
        case .wait: break
        case .send(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        case .delivered(let refused):
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "QUIT\r\n")), promise: nil)
            finish(.success(refused), context)
        case .fail(let error): finish(.failure(error), context)
        case .startTLS:
            // Whatever came with the answer came in the clear, and from whom nobody knows.
            guard received.readableBytes == 0, let tls else {
                return finish(.failure(SMTPError("The mail server sent more than it may before TLS.", isPermanent: false)), context)
            }
            do {
                let handler = try NIOSSLClientHandler(context: tls, serverHostname: serverName)
                try context.pipeline.syncOperations.addHandler(handler, position: .first)
                act(dialogue.tlsStarted(), context)
            } catch {
                finish(.failure(error), context)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(SMTPError("The connection to the mail server failed: \(error)", isPermanent: false)), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(SMTPError("The mail server closed the connection.", isPermanent: false)), context)
    }

    private func finish(_ result: Result<[String], any Error>, _ context: ChannelHandlerContext) {
        guard !isDone else { return }
        isDone = true
        outcome.completeWith(result)
        context.close(promise: nil)
    }
}
