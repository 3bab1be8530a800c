import Configuration
import Foundation
import SystemPackage

/// Where a setting's value came from, strongest first.
public enum SettingSource: String, Sendable, CaseIterable {
    case flag, environment, dotEnv = ".env", `default`
}

/// All settings of a process, validated: flags over environment over `.env` over defaults. Nothing else reads the environment.
public struct Settings: Sendable, CustomReflectable {
    /// The folder that relative paths are resolved against: that of the `.env` in force, or `~/.maru` without one.
    public let home: FilePath
    /// The `.env` in force.
    public let envFile: FilePath?
    /// Whether a supervisor started this process and holds the other end of its standard input.
    public let isSupervised: Bool
    private let values: [String: (text: String, source: SettingSource)]

    /// Whatever is written out with its settings in it shows no keys.
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// The variable by which a supervisor says so.
    public static let supervisedVariable = "MARU_SUPERVISED"

    /// Reads and validates every setting.
    ///
    /// - Parameters:
    ///   - flags: settings given on the command line, by name.
    ///   - environment: the process's environment.
    ///   - workingDirectory: where a relative `MARU_ENV_FILE` starts. Its own `.env` is not read: a folder that somebody else wrote must
    ///     not choose the program that is run, nor where keys are sent.
    /// - Throws: ``InvalidSettings`` naming each bad value, or an error about an `.env` that cannot be read.
    public static func load(
        flags: [String: String] = [:],
        environment: [String: String] = ProcessInfo.processInfo.environment,
        workingDirectory: String = FileManager.default.currentDirectoryPath
    ) async throws -> Settings {
        let userHome = FilePath(environment["HOME"] ?? NSHomeDirectory())
        let envFile = try envFile(environment: environment, workingDirectory: FilePath(workingDirectory), userHome: userHome)
        var layers: [(SettingSource, EnvironmentVariablesProvider)] = [
            (.flag, EnvironmentVariablesProvider(environmentVariables: flags)),
            (.environment, EnvironmentVariablesProvider(environmentVariables: environment)),
        ]
        if let envFile { layers.append((.dotEnv, try await EnvironmentVariablesProvider(environmentFilePath: envFile))) }

        var values: [String: (String, SettingSource)] = [:]
        var problems: [InvalidSetting] = []
        for setting in SettingKeys.all {
            // A variable that is set but empty counts as not set, as compose and shells do with `${NAME:-default}`.
            for (source, provider) in layers {
                guard let text = try provider.text(of: setting.name), !text.isEmpty else { continue }
                if setting.accepts(text) {
                    values[setting.name] = (text, source)
                } else {
                    problems.append(
                        InvalidSetting(name: setting.name, value: setting.isSecret ? "…" : text, source: source, allowed: setting.allowed))
                }
                break
            }
        }
        guard problems.isEmpty else { throw InvalidSettings(problems: problems) }
        let settings = Settings(
            home: envFile?.removingLastComponent() ?? userHome.appending(".maru"), envFile: envFile,
            isSupervised: environment[supervisedVariable] == "1", values: values)
        try settings.checkTogether()
        return settings
    }

    /// The value of a setting.
    public subscript<Value>(setting: Setting<Value>) -> Value {
        values[setting.name].flatMap { setting.parse($0.text) } ?? setting.defaultValue
    }

    /// A setting's value as text, and where it came from.
    public func resolved(_ setting: any SettingDescription) -> (text: String, source: SettingSource) {
        values[setting.name] ?? (setting.defaultText, .default)
    }

    /// What a child process is given so that it sees the very same settings.
    public var asEnvironment: [String: String] {
        var environment = values.mapValues(\.text)
        if let envFile { environment["MARU_ENV_FILE"] = envFile.string }
        return environment
    }

    /// A path from a setting, made absolute: `~` is the user's home, relative paths start at ``home``.
    public func path(_ text: String) -> FilePath {
        if text.hasPrefix("~/") { return FilePath(NSHomeDirectory()).appending(String(text.dropFirst(2))) }
        let path = FilePath(text)
        return path.isAbsolute ? path.lexicallyNormalized() : home.pushing(path).lexicallyNormalized()
    }

    /// `DATA_DIR`: as set, or `data` beside the `.env` in force, or `~/.maru`.
    public var dataFolders: DataFolders {
        let text = self[SettingKeys.dataDirectory]
        if !text.isEmpty { return DataFolders(root: path(text)) }
        return DataFolders(root: envFile == nil ? home : home.appending("data"))
    }

    /// `MODELS_DIR`.
    public var modelsFolder: FilePath { path(self[SettingKeys.modelsDirectory]) }

    /// `PROJECT_ROOT` and, after it, `ALLOWED_ROOTS`: the folders that file and git tools may open.
    public var workspaceRoots: [FilePath] {
        let own = self[SettingKeys.projectRoot]
        let root = own.isEmpty ? (envFile == nil ? dataFolders.root.appending("workspace") : home) : path(own)
        let more = self[SettingKeys.allowedRoots].split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        return [root] + more.filter { !$0.isEmpty }.map(path)
    }

    private static func envFile(environment: [String: String], workingDirectory: FilePath, userHome: FilePath) throws -> FilePath? {
        if let named = environment["MARU_ENV_FILE"], !named.isEmpty {
            let path = workingDirectory.pushing(FilePath(named))
            guard FileManager.default.fileExists(atPath: path.string) else {
                throw InvalidSettings(problems: [
                    InvalidSetting(name: "MARU_ENV_FILE", value: named, source: .environment, allowed: "the path of an existing file")
                ])
            }
            return path
        }
        let folders = [environment["MARU_HOME"].map { FilePath($0) }, userHome.appending(".maru")]
        return folders.compactMap { $0?.appending(".env") }.first { FileManager.default.fileExists(atPath: $0.string) }
    }

    private func checkTogether() throws {
        let host = self[SettingKeys.host]
        if self[SettingKeys.securityMode] == .development, !["127.0.0.1", "::1", "localhost"].contains(host) {
            throw InvalidSettings(problems: [
                InvalidSetting(
                    name: SettingKeys.host.name, value: host, source: resolved(SettingKeys.host).source,
                    allowed: "127.0.0.1, ::1 or localhost while SECURITY_MODE is development, which lets callers in without a key")
            ])
        }
    }
}

extension EnvironmentVariablesProvider {
    fileprivate func text(of name: String) throws -> String? {
        let key = AbsoluteConfigKey(name.lowercased().split(separator: "_").map(String.init))
        guard case .string(let text)? = try value(forKey: key, type: .string).value?.content else { return nil }
        return text
    }
}

/// A value that a setting may not have.
public struct InvalidSetting: Sendable {
    public let name: String
    public let value: String
    public let source: SettingSource
    public let allowed: String
}

/// Every bad value found at once, so that they are mended at once.
public struct InvalidSettings: Error, CustomStringConvertible, Sendable {
    public let problems: [InvalidSetting]

    public var description: String {
        problems.map { "\($0.name) is “\($0.value)” (from \($0.source.rawValue)): it must be \($0.allowed)." }.joined(separator: "\n")
    }
}

extension InvalidSettings {
    /// One setting whose value is found to be unfit only where it is used.
    ///
    /// - Parameter allowed: what it may be, in words.
    public init(_ setting: any SettingDescription, in settings: Settings, allowed: String) {
        let (text, source) = settings.resolved(setting)
        problems = [InvalidSetting(name: setting.name, value: setting.isSecret ? "…" : text, source: source, allowed: allowed)]
    }
}
