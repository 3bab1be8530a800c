import Foundation
import HTTPTypes
import ServiceKit

/// Text files as tools read them: UTF-8 and of bounded size.
enum TextFile {
    /// Largest file that is read or written, in bytes.
    static let sizeLimit = 8 << 20

    /// The text of an open file; a byte order mark stays in it.
    ///
    /// - Throws: 413 when it is too large, 422 when it is not UTF-8 text.
    static func text(of file: OpenedPlace) throws -> String {
        guard file.status.st_size <= off_t(sizeLimit) else { throw tooLarge(file.name, Int(file.status.st_size)) }
        let data: Data
        do {
            data = try file.descriptor.read(limit: sizeLimit + 1)
        } catch {
            throw Workspace.refusal(error, file.name)
        }
        // Some files grow as they are read.
        guard data.count <= sizeLimit else { throw tooLarge(file.name, data.count) }
        guard !data.contains(0), let text = String(validating: data, as: UTF8.self) else {
            throw ServiceError(
                .unprocessableContent, code: "not_text", "\(PathRules.shown(file.name)) is not a text file in UTF-8.", parameter: "path")
        }
        return text
    }

    static func tooLarge(_ name: String, _ size: Int) -> ServiceError {
        .tooLarge("\(PathRules.shown(name)) has \(size) bytes or more; tools read and write at most \(sizeLimit).", parameter: "path")
    }
}
