import ArgumentParser
import Suite

/// `maru mcp`.
struct MCPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp", abstract: "Serve the tools to one MCP client, over standard input and output.",
        discussion: """
            For clients that start their servers themselves. Who calls is who MARU_API_KEY belongs to; without a key, in development mode, the \
            developer user. Messages alone go to standard output, the log to standard error. It ends with its input.
            """)

    @OptionGroup var given: SettingFlags

    func run() async throws { try await Composition.stdio(settings: try await given.load()) }
}
