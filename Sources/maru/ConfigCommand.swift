import ArgumentParser
import Foundation
import ServiceKit
import Suite
import SystemPackage

/// `maru config`.
struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Show every setting, its value and where it came from.",
        discussion:
            "Flags win over the environment, the environment over .env, .env over defaults. Secrets are not shown. A bad value is refused, exit code 1."
    )

    @Flag(help: "Print JSON.") var json = false

    private struct Row: Encodable {
        let name: String
        let value: String
        let source: String
        let summary: String
    }
    @OptionGroup var given: SettingFlags

    func run() async throws {
        let settings = try await given.load()
        let rows = SettingKeys.all.map { setting in
            let (text, source) = settings.resolved(setting)
            return Row(
                name: setting.name, value: setting.isSecret && !text.isEmpty ? "(redacted)" : text, source: source.rawValue,
                summary: setting.summary)
        }
        if json {
            print(String(decoding: try JSONEncoder.sorted.encode(rows), as: UTF8.self))
        } else {
            print(
                "Settings file: \(settings.envFile?.string ?? "none")\nData: \(settings.dataFolders.root)\nModels: \(settings.modelsFolder)\n"
            )
            print(Table(["SETTING", "VALUE", "FROM"]).rows(rows.map { [$0.name, $0.value, $0.source] }))
        }
    }
}
