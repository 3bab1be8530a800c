import Foundation
import Security
import Suite
import SuiteAPI

/// What a command works with: the settings in force, and clients that carry the administrator's key where there is one.
struct Session {
    let settings: Settings
    let clients: SuiteClients

    init(_ flags: SettingFlags) async throws {
        settings = try await flags.load()
        let own = settings[SettingKeys.apiKey]
        clients = SuiteClients(settings: settings, key: own.isEmpty ? Self.key(settings.dataFolders) : own)
    }
    /// The key, when this user may read it; one who may not is told, and goes on as whoever the services take him for.
    private static func key(_ folders: DataFolders) -> String? {
        do {
            return try KeyFile.admin(folders).read()
        } catch {
            let reason = "The administrator's key cannot be read, so none is sent: \(error.localizedDescription)\n"
            FileHandle.standardError.write(Data(reason.utf8))
            return nil
        }
    }
}
