import Foundation
import HummingbirdTesting
import ServiceKit
import Suite
import SystemPackage
import TestSupport
import Testing

@testable import Supervision

@Suite("Supervision")
struct SupervisionTests {
    private struct Holder: SuiteService {
        let id = ServiceID.qdrant
        let errorShape = ErrorShape.detail
        let routes: [Route] = []
        func health() async -> Health { Health() }
    }

    @Test("A port that is taken is refused with the program and process that hold it, and nothing is started")
    func ports() async throws {
        try await withScratchFolder { folder in
            let base = try await Settings.test(folder: folder)
            try await withRunning(Holder(), settings: base) { client in
                let port = try #require(client.port)
                let settings = try await Settings.test(["QDRANT_PORT": "\(port)"], folder: folder)
                let error = await #expect(throws: SupervisionError.self) {
                    try await StackControl(settings: settings).prepare([ServiceCatalogue[.qdrant]])
                }
                #expect(error?.description.contains("port \(port)") == true)
                #expect(error?.description.contains("pid \(getpid())") == true, "\(error?.description ?? "nothing was refused")")
            }
        }
    }

    @Test("What a crash left behind is ended; a process that only has its number is not")
    func leftovers() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            try settings.dataFolders.create()
            let child = Process()
            child.executableURL = URL(filePath: "/bin/sleep")
            child.arguments = ["600"]
            try child.run()
            try ProcessRecord("left", in: settings.dataFolders.run).write(try #require(ProcessIdentity(pid: child.processIdentifier)))
            try "\(getpid()) 1\n".write(toFile: settings.dataFolders.run.appending("reused.pid").string, atomically: true, encoding: .utf8)
            #expect(await StackControl(settings: settings).endLeftovers() == 1)
            child.waitUntilExit()
            #expect(ProcessRecord.all(in: settings.dataFolders.run).isEmpty)
        }
    }

    #if os(Linux)
        @Test("A log of each life of a service leaves no open file behind")
        func descriptors() async throws {
            try await withScratchFolder { folder in
                let path = folder.appending("x.log")
                for _ in 0..<20 { try await LogFile(path).append(Array("line\n".utf8)) }
                let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").filter {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.hasSuffix(path.string) == true
                }
                #expect(open.isEmpty)
            }
        }
    #endif

    @Test("A log is set aside when it is full, and only so many parts are kept")
    func rotation() async throws {
        try await withScratchFolder { folder in
            let log = LogFile(folder.appending("x.log"), partSize: 10)
            for _ in 0..<20 { try await log.append(Array("0123456789\n".utf8)) }
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted()
            #expect(files == ["x.log"] + (1...LogFile.parts).map { "x.log.\($0)" })
        }
    }
}
