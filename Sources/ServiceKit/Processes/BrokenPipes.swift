import Foundation

/// Pipes whose reader may be gone before the writer.
public enum BrokenPipes {
    /// From the first call on, writing into a pipe that nobody reads is an error (`EPIPE`) and no longer the end of the process (`SIGPIPE`).
    /// A server's sockets bring this about as well, but a program may be given input before the first socket is opened. Programs that are
    /// started begin with the signal's default action.
    public static func failInsteadOfEnding() { _ = ignored }

    private static let ignored: Bool = {
        _ = signal(SIGPIPE, SIG_IGN)
        return true
    }()
}
