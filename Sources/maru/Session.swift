import Security
import Suite
import SuiteAPI

/// What a command works with: the settings in force, and clients that carry the administrator's key where there is one.
struct Session {
    let settings: Settings
    let clients: SuiteClients

    static func load() async throws -> Session {
        let settings = try await Settings.load()
        let key = try? KeyFile.admin(settings.dataFolders).read()
        return Session(settings: settings, clients: SuiteClients(settings: settings, key: key))
    }
}
