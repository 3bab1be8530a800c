import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Subprocess
import Synchronization
import SystemPackage
import Testing

/// A mail server on a free port of the loopback interface, with STARTTLS and a certificate that nobody signed but itself.
final class SMTPSink: Sendable {
    struct Seen: Sendable {
        /// Commands with whether they came over TLS.
        var commands: [(line: String, isSecure: Bool)] = []
        /// The lines of mails.
        var mail: [String] = []
    }

    let seen = Mutex(Seen())

    /// Runs a body with the server and its port.
    static func run(_ folder: FilePath, _ body: (SMTPSink, Int) async throws -> Void) async throws {
        let (certificate, key) = (folder.appending("cert.pem").string, folder.appending("key.pem").string)
        let made = try await Subprocess.run(
            .name("openssl"),
            arguments: [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out",
                certificate,
            ], output: .discarded, error: .discarded)
        try #require(made.terminationStatus.isSuccess)
        let tls = try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem))))
        let sink = SMTPSink()
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Conversation(sink, tls)) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(sink, try #require(server.localAddress?.port))
        } catch {
            try await server.close()
            throw error
        }
        try await server.close()
    }

    private final class Conversation: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let sink: SMTPSink
        private let tls: NIOSSLContext
        private var received = ByteBuffer()
        private var isSecure = false
        private var isMail = false

        init(_ sink: SMTPSink, _ tls: NIOSSLContext) {
            self.sink = sink
            self.tls = tls
        }

        func channelActive(context: ChannelHandlerContext) { reply("220 sink", context) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            received.writeBuffer(&bytes)
            while let end = received.readableBytesView.firstIndex(of: 0x0A) {
                let line = (received.readString(length: end - received.readerIndex + 1) ?? "").trimmingCharacters(in: .newlines)
                isMail ? takeMail(line, context) : take(line, context)
            }
        }

        private func takeMail(_ line: String, _ context: ChannelHandlerContext) {
            guard line == "." else { return sink.seen.withLock { $0.mail.append(line) } }
            isMail = false
            reply("250 taken", context)
        }

        private func take(_ line: String, _ context: ChannelHandlerContext) {
            sink.seen.withLock { $0.commands.append((line, isSecure)) }
            switch line.split(separator: " ").first {
            case "EHLO": reply(isSecure ? "250-sink\r\n250 AUTH PLAIN" : "250-sink\r\n250 STARTTLS", context)
            case "STARTTLS":
                reply("220 go", context)
                try? context.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls), position: .first)
                isSecure = true
            case "AUTH": reply("235 ok", context)
            case "DATA":
                isMail = true
                reply("354 go", context)
            case "QUIT": context.close(promise: nil)
            default: reply("250 ok", context)
            }
        }

        private func reply(_ text: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text + "\r\n")), promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
