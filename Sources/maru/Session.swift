import Security
import Suite
import SuiteAPI

/// What a command works with: the settings in force, and clients that carry the administrator's key where there is one.
struct Session {
    let settings: Settings
    let clients: SuiteClients

    init(_ flags: SettingFlags) async throws {
        settings = try await flags.load()
        let key = try? KeyFile.admin(settings.dataFolders).read()
        clients = SuiteClients(settings: settings, key: key)
    }
}
