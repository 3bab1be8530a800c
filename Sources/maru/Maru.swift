import ArgumentParser
import Suite

/// The program: one subcommand a file.
@main
struct Maru: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "maru",
        abstract: "A private AI stack for one workstation: chat, code, embeddings, retrieval over your documents.",
        discussion: """
            First steps:
              maru up                      start everything
              maru index documents/        read documents in
              maru ask "…"                 ask about them; the answer cites its sources
              maru chat                    talk to the model
              maru verify                  prove that the stack is in order
              maru down                    stop everything
            """,
        version: BuildInfo.version,
        subcommands: [SuperviseCommand.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Run",
                subcommands: [
                    UpCommand.self, DownCommand.self, StatusCommand.self, LogsCommand.self, RestartCommand.self, ServeCommand.self,
                ]),
            CommandGroup(
                name: "Use",
                subcommands: [
                    ChatCommand.self, AskCommand.self, IndexCommand.self, ToolCommand.self, MemoryCommand.self,
                    MCPCommand.self,
                ]),
            CommandGroup(
                name: "Guard",
                subcommands: [
                    ApprovalsCommand.self, UserCommand.self, RoleCommand.self, KeyCommand.self, AuditCommand.self, SandboxCommand.self,
                ]),
            CommandGroup(name: "Set up", subcommands: [ConfigCommand.self, EngineCommand.self, ModelsCommand.self]),
            CommandGroup(name: "Prove", subcommands: [EnvCommand.self, HealthCommand.self, VerifyCommand.self, EvalCommand.self]),
        ])
}
