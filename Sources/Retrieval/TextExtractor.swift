import Foundation
import ServiceKit
import Subprocess
import SystemPackage

/// A file whose text cannot be had, and why.
struct Unreadable: Error, CustomStringConvertible {
    let description: String

    static func tooLarge(_ size: Int) -> Unreadable {
        Unreadable(description: "it has \(size) bytes; \(TextExtractor.sizeLimit) are read at the most")
    }
}

/// Gets the text out of a file, by its kind.
struct TextExtractor: Sendable {
    /// Largest file that is read, in bytes.
    static let sizeLimit = 32 << 20

    private static let plain: Set<String> = [
        "md", "markdown", "txt", "text", "rst", "py", "swift", "js", "ts", "jsx", "tsx", "go", "rs", "java", "kt", "c", "h", "cc", "cpp",
        "hpp", "cs",
        "rb", "php", "sh", "bash", "sql", "yml", "yaml", "json", "toml", "ini", "cfg", "css", "xml", "csv", "log",
    ]
    private static let html: Set<String> = ["html", "htm", "xhtml"]

    /// Whether files of this name are read at all.
    static func isKnown(_ path: FilePath) -> Bool {
        let ending = path.extension?.lowercased() ?? ""
        return plain.contains(ending) || html.contains(ending) || ending == "pdf"
    }

    /// The text of a file, its characters composed (NFC).
    ///
    /// - Throws: ``Unreadable`` saying why.
    func text(of path: FilePath, data: Data) async throws -> String {
        guard data.count <= Self.sizeLimit else { throw Unreadable.tooLarge(data.count) }
        let ending = path.extension?.lowercased() ?? ""
        let text =
            if ending == "pdf" { try await pdf(path) } else if Self.html.contains(ending) { HTMLText.text(of: try decode(data)) } else {
                try decode(data)
            }
        return text.replacing("\r\n", with: "\n").replacing("\r", with: "\n").precomposedStringWithCanonicalMapping
    }

    /// UTF-8, UTF-16 with its mark, or the Korean encoding of old Windows files.
    private func decode(_ data: Data) throws -> String {
        if data.starts(with: [0xEF, 0xBB, 0xBF]) { return String(decoding: data.dropFirst(3), as: UTF8.self) }
        if data.starts(with: [0xFF, 0xFE]) || data.starts(with: [0xFE, 0xFF]), let text = String(data: data, encoding: .utf16) {
            return text
        }
        if let text = String(data: data, encoding: .utf8) {
            guard !text.unicodeScalars.contains("\0") else { throw Unreadable(description: "it is a binary file") }
            return text
        }
        guard !data.prefix(8_192).contains(0) else { throw Unreadable(description: "it is a binary file") }
        // Windows code page 949, which contains EUC-KR.
        if let text = String(data: data, encoding: String.Encoding(rawValue: 0x8000_0422)) { return text }
        throw Unreadable(description: "its encoding is neither UTF-8, UTF-16 nor EUC-KR")
    }

    private func pdf(_ path: FilePath) async throws -> String {
        let result: ExecutionResult<Void, StringOutput<UTF8>, StringOutput<UTF8>>
        do {
            result = try await withDeadline(.seconds(60)) {
                try await Subprocess.run(
                    .name("pdftotext"), arguments: ["-layout", "-enc", "UTF-8", path.string, "-"], output: .string(limit: Self.sizeLimit),
                    error: .string(limit: 1 << 16))
            }
        } catch is DeadlineExceeded {
            throw Unreadable(description: "pdftotext did not finish within 60 s")
        } catch {
            throw Unreadable(description: "pdftotext cannot be run (install poppler-utils): \(error)")
        }
        guard result.terminationStatus.isSuccess else {
            throw Unreadable(description: "pdftotext refused it: \(result.standardError.trimmingCharacters(in: .whitespacesAndNewlines))")
        }
        let text = result.standardOutput.replacing("\u{0C}", with: "\n")
        guard text.contains(where: { !$0.isWhitespace }) else {
            throw Unreadable(description: "it holds no text (a scan needs text recognition first)")
        }
        return text
    }
}
