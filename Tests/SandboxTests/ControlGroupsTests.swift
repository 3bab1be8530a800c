import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import Sandbox

@Suite("Control groups")
struct ControlGroupsTests {
    @Test("Where nothing is mounted, or groups may not be made, there are none")
    func none() async throws {
        #expect(ControlGroups.found(mounts: "", own: "0::/\n") == nil)
        #expect(ControlGroups.found(mounts: nil, own: nil) == nil)
        try await withScratchFolder { folder in
            // A tree that names both controllers, but does not hand them on to groups.
            try Data("cpu memory pids\n".utf8).write(to: URL(filePath: folder.appending("cgroup.controllers").string))
            try Data("cpu\n".utf8).write(to: URL(filePath: folder.appending("cgroup.subtree_control").string))
            #expect(ControlGroups.found(mounts: "cgroup2 \(folder) cgroup2 rw 0 0\n", own: "0::/user.slice\n") == nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.string).count == 2)
        }
    }

    @Test("A group's limits are written in the words of its version, and its counts read")
    func versionTwo() async throws {
        try await withScratchFolder { folder in
            let home = ControlGroups.Home(folder: folder, version: 2, bounds: [.memory, .pids])
            let group = ControlGroup(parts: [.init(folder: folder.appending("g"), home: home)])
            // The kernel makes a group's files with its folder; here they are made beforehand, so that only making it fails.
            try FileManager.default.createDirectory(atPath: folder.appending("g").string, withIntermediateDirectories: true)
            #expect(throws: Errno.self) { try group.create(memory: 1, processes: 1) }
            try Data("low 0\noom 3\noom_kill 2\n".utf8).write(to: URL(filePath: folder.appending("g/memory.events").string))
            try Data("max 5\n".utf8).write(to: URL(filePath: folder.appending("g/pids.events").string))
            #expect(group.memoryKills == 2 && group.refusedForks == 5)
            #expect(group.doors == [folder.appending("g/cgroup.procs")])
        }
    }
}
