import ArgumentParser
import Foundation
import Security
import ServiceKit
import Suite
import Supervision

/// `maru up`.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Start the stack and wait until it is ready.",
        discussion: """
            A supervisor stays in the background and starts again what falls over. Ports are checked first; when one is taken, nothing is
            started. Ctrl-C while waiting leaves the stack starting; stop it with: maru down
            """)

    @OptionGroup var selection: ServiceSelection
    @Flag(inversion: .prefixedNo, help: "Whether to wait until every service is ready.") var wait = true
    @Flag(help: "Stay in the foreground; Ctrl-C stops everything.") var foreground = false
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let settings = try await given.load()
        let services = try selection.services()
        let control = StackControl(settings: settings)
        switch try await control.claim() {
        case .runs(let state):
            let missing = services.map(\.id).filter { id in !state.children.contains { $0.service == id } }
            guard missing.isEmpty else {
                throw CommandError(
                    "The stack runs already, without \(missing.map(\.rawValue).joined(separator: ", ")). Stop it with maru down, then start it anew."
                )
            }
            print(
                state.version == BuildInfo.version && state.commit == BuildInfo.commit
                    ? "The stack runs already."
                    : "The stack runs already, of another build (\(state.version), \(state.commit)). Take this one with: maru down && maru up"
            )
        case .mayStart(let start):
            defer { withExtendedLifetime(start) {} }
            try await control.prepare(services)
            _ = try KeyFile.service(settings.dataFolders).readOrCreate()
            _ = try KeyFile.admin(settings.dataFolders).readOrCreate()
            if foreground { return try await SuperviseCommand.supervise(services, settings: settings) }
            try await control.launch(services, program: Composition.program)
        }
        guard wait else { return }
        let progress = StartProgress()
        try await control.waitUntilReady { progress.show($0) }
        progress.finish()
        printAddresses(services, settings)
    }

    private func printAddresses(_ services: [ServiceDescriptor], _ settings: Settings) {
        print("")
        for service in services where service.port != nil {
            print(
                "  \(service.id.rawValue.padding(toLength: 16, withPad: " ", startingAt: 0)) \(settings.baseURL(of: service.id))   \(service.title)"
            )
        }
        print("\nThe administrator's key is in \(KeyFile.admin(settings.dataFolders).path).")
        guard services.contains(where: { $0.id == .rag }) else { return }
        print("Next: maru index documents/ && maru ask \"Python으로 파일은 어떻게 읽나요?\"")
    }
}
