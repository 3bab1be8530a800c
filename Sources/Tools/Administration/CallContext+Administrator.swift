import NIOCore
import Security
import ServiceKit

extension CallContext {
    /// Who makes a change by this request.
    var administrator: Administrator {
        Administrator(id: caller.id, address: remoteAddress?.ipAddress, requestID: RequestScope.current?.requestID)
    }
}
