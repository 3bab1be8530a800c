import Hummingbird
import Logging
import NIOCore

/// What a handler knows of the request besides the request itself.
public struct CallContext: RequestContext, RemoteAddressRequestContext {
    public var coreContext: CoreRequestContextStorage
    /// Who calls; set by authentication before any handler runs.
    public var caller: Caller = .anonymous
    /// Largest body a handler reads, in bytes.
    public var maxUploadSize = 16_777_216
    public let remoteAddress: SocketAddress?

    public init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }
}
