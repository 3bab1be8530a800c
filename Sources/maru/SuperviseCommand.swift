import ArgumentParser
import Foundation
import Logging
import ServiceKit
import ServiceLifecycle
import Suite
import Supervision
import UnixSignals

/// `maru supervise`: what `maru up` starts in the background.
struct SuperviseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "supervise", abstract: "Keep services running.", shouldDisplay: false)

    @OptionGroup var selection: ServiceSelection
    @OptionGroup var given: SettingFlags

    func run() async throws {
        try await Self.supervise(try selection.services(), settings: try await given.load())
    }

    static func supervise(_ services: [ServiceDescriptor], settings: Settings) async throws {
        let logger = Logger.service("supervisor", settings: settings)
        let supervisor = try Supervisor(settings: settings, services: services, program: Composition.program, logger: logger)
        let group = ServiceGroup(services: [supervisor], gracefulShutdownSignals: [.sigterm, .sigint, .sighup], logger: logger)
        try await group.run()
    }
}
