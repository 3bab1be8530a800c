import Foundation

/// What is known of the terminal on standard output.
enum Terminal {
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Characters of a line.
    static var columns: Int {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Colours go to terminals alone, and not where the user has asked for none (https://no-color.org).
    static var isColoured: Bool {
        isInteractive && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty
    }
}
