import Foundation

/// What is known of the terminal on standard output.
enum Terminal {
    static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Colours go to terminals alone, and not where the user has asked for none (https://no-color.org).
    static var isColoured: Bool {
        isInteractive && ProcessInfo.processInfo.environment["NO_COLOR", default: ""].isEmpty
    }
}
