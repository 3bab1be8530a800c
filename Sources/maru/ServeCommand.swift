import ArgumentParser
import Suite

extension ServiceID: ExpressibleByArgument {}

/// `maru serve`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run one service in the foreground.",
        discussion: "Its log goes to standard error, one JSON object per line. Ctrl-C ends it cleanly.")

    @Argument(help: ArgumentHelp("One of: \(ServiceCatalogue.all.map(\.id.rawValue).joined(separator: ", ")).", valueName: "name"))
    var name: ServiceID
    @OptionGroup var given: SettingFlags

    func run() async throws { try await Composition.serve(name, settings: try await given.load()) }
}
