import ArgumentParser

@main
struct Maru: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "maru", abstract: "A private AI stack for one workstation.")
}
