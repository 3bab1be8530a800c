import Foundation
import Logging
import Suite

/// Writes one JSON object per line to standard error: `timestamp`, `level`, `service`, `message`, then the metadata as fields.
public struct JSONLogHandler: LogHandler {
    public var logLevel: Logger.Level = .info
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let service: String
    private let write: @Sendable (Data) -> Void

    /// - Parameters:
    ///   - service: the name that stands in each line.
    ///   - write: where a finished line goes; standard error by default.
    public init(service: String, write: @escaping @Sendable (Data) -> Void = JSONLogHandler.toStandardError) {
        self.service = service
        self.write = write
    }

    /// A reader that is gone, such as a supervisor that was killed, must not take the writer with it: the line is lost then.
    public static func toStandardError(_ line: Data) { try? FileHandle.standardError.write(contentsOf: line) }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let own = event.metadata { fields.merge(own) { _, new in new } }
        if let error = event.error { fields["error"] = "\(error)" }
        if let scope = RequestScope.current { fields["request_id"] = "\(scope.requestID)" }
        var line = fields.mapValues(\.description)
        line["timestamp"] = Date.now.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        line["level"] = event.level.rawValue
        line["service"] = service
        line["message"] = event.message.description
        guard var data = try? JSONEncoder.sorted.encode(line) else { return }
        data.append(UInt8(ascii: "\n"))
        write(data)
    }
}

extension Logger {
    /// A service's logger: JSON lines on standard error, at the level of `LOG_LEVEL`.
    public static func service(_ name: String, settings: Settings) -> Logger {
        var logger = Logger(label: name) { JSONLogHandler(service: $0) }
        logger.logLevel = Logger.Level(rawValue: settings[SettingKeys.logLevel].rawValue) ?? .info
        return logger
    }
}
