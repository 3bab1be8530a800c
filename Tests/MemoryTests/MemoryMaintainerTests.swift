import Foundation
import HTTPTypes
import HummingbirdTesting
import Logging
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Memory

/// A memory that lists a project and has it no more when it is asked for.
private struct ListingMemory: SuiteService {
    let id = ServiceID.memoryAPI
    let errorShape = ErrorShape.detail
    let project: String
    /// The code that a cleanup is answered with.
    let cleanup: String

    var routes: [Route] {
        [
            Route(.get, "/v1/memory/projects", "One project.") { _, _ in
                .json(["projects": [["project_id": .string(project), "database_path": "/nowhere"]]] as JSONValue)
            },
            Route(.post, "/v1/memory/projects/{id}/cleanup", "Fails.") { _, _ in
                throw ServiceError.notFound("there is none", code: cleanup)
            },
        ]
    }

    func health() async -> Health { Health() }
}

@Suite("The maintainer", .serialized)
struct MemoryMaintainerTests {
    @Test("Every job does its work for every project, and what came of it is noted for the next life")
    func jobs() async throws {
        try await MemoryStack.run { stack in
            let store = try await MemoryStack.store(of: stack.service)
            for level in [1, 5, 9] { try await store.keep("plum of level\(level)", importance: level) }
            let (maintainer, folders) = try await stack.maintainer()
            var state = MaintenanceState()
            for job in MaintenanceSchedule.Job.allCases where job != .digest { try await maintainer.run(job, &state) }
            #expect(state.jobs.values.allSatisfy { $0.failures == 0 && $0.succeededAt != nil })
            #expect(state.jobs[.expiry]?.detail.hasPrefix("1 conversations") == true)
            #expect(state.jobs[.backup]?.detail.hasPrefix("4 backups") == true)
            #expect(try await store.queue(1).size == 0)
            let noted = MaintenanceState.read(in: folders)
            #expect(Set(noted.jobs.keys) == Set(state.jobs.keys))
            // Nothing to ask a model of is behind the digest here: that is a failure, and it is told.
            try await maintainer.run(.digest, &state)
            #expect(state.jobs[.digest]?.failures == 1 && state.jobs[.digest]?.detail.contains("api-gateway") == true)
        }
    }

    @Test("One project that is broken is told of and holds up no other")
    func broken() async throws {
        try await MemoryStack.run { stack in
            let store = try await MemoryStack.store(of: stack.alone)
            try await store.keep("plum", importance: 1)
            // As the stack itself asks: who else cannot see what he does not own is not told of it.
            try await withRunning(stack.alone, settings: stack.alone.settings, authenticator: OpenDoor(role: .service)) { client in
                let (maintainer, folders) = try await MemoryStack.maintainer(of: stack.alone, at: client.port)
                let broken = folders.memory.appending("projects").appending("abroken")
                try FileManager.default.createDirectory(atPath: broken.string, withIntermediateDirectories: true)
                try Data("no database at all, but long enough to look like one: ".utf8).write(
                    to: URL(filePath: broken.appending("memory.db").string))
                var state = MaintenanceState()
                try await maintainer.run(.expiry, &state)
                #expect(state.jobs[.expiry]?.failures == 1 && state.jobs[.expiry]?.detail.contains("abroken") == true)
                // What is repeated is for the broken one alone: the others are not backed up again every hour.
                try await maintainer.run(.backup, &state)
                #expect(state.jobs[.backup]?.failures == 1 && state.jobs[.backup]?.left == ["abroken"])
                let backup = MemoryBackup(folder: folders.memory.appending("backups"))
                let made = try backup.files(of: store.project)
                #expect(made.count == 4)
                try await maintainer.run(.backup, &state)
                #expect(state.jobs[.backup]?.failures == 2 && state.jobs[.backup]?.left == ["abroken"])
                #expect(try backup.files(of: store.project) == made)
                #expect(try await store.list(MemoryFilter(), limit: 1, offset: 0).total == 0)
            }
        }
    }

    @Test("A project that was forgotten since it was listed is passed over; what else fails is told of", arguments: [true, false])
    func forgotten(isForgotten: Bool) async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            let memory = ListingMemory(project: "gone", cleanup: isForgotten ? Projects.unknownCode : "not_found")
            try await withRunning(memory, settings: settings) { client in
                let own = try await Settings.test(["MEMORY_PORT": "\(client.port ?? 1)"], folder: folder)
                try own.dataFolders.create()
                let maintainer = MemoryMaintainer(
                    settings: own, clients: SuiteClients(settings: own, key: nil), logger: Logger(label: "test"))
                var state = MaintenanceState()
                try await maintainer.run(.expiry, &state)
                #expect(state.jobs[.expiry]?.failures == (isForgotten ? 0 : 1), "\(state)")
            }
        }
    }

    @Test("A heartbeat that stops is seen to stop")
    func heartbeat() async throws {
        try await withScratchFolder { folder in
            let folders = DataFolders(root: folder)
            try folders.create()
            #expect(Heartbeat.last(of: .memoryMaintainer, in: folders) == nil)
            let now = Date(timeIntervalSince1970: 1_800_000_000)
            let beat = Heartbeat(.memoryMaintainer, pid: 7, startedAt: now, at: now)
            try beat.write(in: folders)
            #expect(Heartbeat.last(of: .memoryMaintainer, in: folders) == beat)
            #expect(beat.isFresh(at: now.addingTimeInterval(10)) && !beat.isFresh(at: now.addingTimeInterval(16)))
        }
    }
}
