import Foundation
import GRDB
import HTTPTypes
import Hummingbird
import NIOCore
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

/// Backups, exports and their way back, over HTTP. Files are named as they lie in the folder of backups, and nothing else can be named.
struct BackupRoutes: Sendable {
    let service: MemoryService

    private var backup: MemoryBackup { MemoryBackup(folder: service.settings.dataFolders.memory.appending("backups")) }

    var all: [Route] {
        [
            Route(
                .post, "/v1/memory/projects/{id}/backup", "Makes backups, restores each into a scratch place and compares.",
                access: .role(.developer), stopsWhenClientLeaves: true, handler: make),
            Route(.get, "/v1/memory/projects/{id}/backups", "The backups there are, newest first.") { _, context in
                let store = try await service.existing(context)
                let project = store.project
                let files = try await files(of: store, for: context.caller)
                return .json(
                    ["success": true, "project_id": .string(project.text), "backups": try JSONValue.encoding(files)] as JSONValue)
            },
            Route(
                .post, "/v1/memory/projects/{id}/restore", "Puts a backup in the place of what is there, which is backed up before.",
                access: .role(.developer), stopsWhenClientLeaves: true, handler: restore),
            Route(
                .get, "/v1/memory/projects/{id}/export", "Everything a project remembers, as one JSON document.",
                stopsWhenClientLeaves: true, handler: export),
            Route(
                .post, "/v1/memory/projects/{id}/import", "Takes in what an export holds; what is there already is passed over.",
                access: .role(.developer), stopsWhenClientLeaves: true, handler: take),
        ]
    }

    private struct BackupBody: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case backup_type }
        let backup_type: String?
    }

    private func make(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        let type = try await request.strict(BackupBody.self, context).backup_type ?? "db"
        let kinds: [BackupFile.Kind]
        switch type {
        case "db": kinds = [.daily]
        case "json": kinds = [.json]
        case "sql": kinds = [.sql]
        case "all":
            let month = BackupFile(.monthly, of: store.project, at: store.now())
            let isThere = try await offPool { [backup] in try backup.files(of: store.project).contains(month) }
            kinds = [.daily, .json, .sql] + (isThere ? [] : [.monthly])
        default: throw ServiceError.invalid("“backup_type” is db, json, sql or all.", parameter: "backup_type")
        }
        let made = try await request.whileClientStays { try await backup.make(kinds, of: store) }
        let projects = try await service.projects.notForgotten()
        let (files, pruned) = try await offPool { [backup] in
            (
                try made.files.map { try $0.described(in: backup.folder) },
                try backup.prune(keepingNewestOf: projects, at: store.now())
            )
        }
        let first = made.files.first.map { backup.folder.appending($0.name).string } ?? ""
        return ProjectRoutes.done(
            store,
            [
                "backup_path": .string(first), "backup_type": .string(type), "backups": try JSONValue.encoding(files),
                "conversations": .integer(Int64(made.contents.conversations)), "digest": .string(made.contents.digest),
                "pruned": .integer(Int64(pruned.removed)), "warnings": .array((made.warnings + pruned.problems).map(JSONValue.string)),
                "message": .string("\(made.contents.conversations) conversations, restored into a scratch place and compared"),
            ])
    }

    /// The backups that a caller may use. Those that were made before the project was begun are of another one of the same name, that was
    /// forgotten, and whose it was nobody knows any more: they are for administrators.
    private func files(of store: MemoryStore, for caller: Caller) async throws -> [MemoryBackupFile] {
        let beginning = try await store.beginning()
        return try await offPool { [backup] in
            try backup.files(of: store.project)
                .compactMap { file in
                    do {
                        let path = backup.folder.appending(file.name).string
                        let made = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
                        let isTold = caller.role == .admin || (made ?? .distantPast) >= beginning
                        return isTold ? try file.described(in: backup.folder) : nil
                    } catch CocoaError.fileReadNoSuchFile {
                        // Its time had come in between.
                        return nil
                    }
                }
        }
    }

    private struct RestoreBody: StrictBody {
        enum CodingKeys: String, CodingKey, CaseIterable { case backup }
        let backup: String
    }

    private func restore(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        let name = try await request.strict(RestoreBody.self, context).backup
        guard let file = BackupFile(name: name), try await files(of: store, for: context.caller).contains(where: { $0.name == file.name })
        else {
            throw ServiceError.notFound(
                "There is no backup “\(name.prefix(200))” of this project; see GET …/backups.", code: "backup_not_found")
        }
        let scratch = try await offPool { [backup] in try MemoryBackup.Scratch(in: backup.folder) }
        let draft = scratch.path("restored.db")
        let safety = try await request.whileClientStays {
            try await backup.unpack(file, into: draft, scratch)
            return try await backup.make([.safety], of: store)
        }
        // What has begun to take the place of what was there is not broken off; nothing was changed until here.
        let count = try await store.restore(from: draft)
        service.sync.wake(store)
        withExtendedLifetime(scratch) {}
        return ProjectRoutes.done(
            store,
            [
                "conversations": .integer(Int64(count)), "safety_backup": .string(safety.files.first?.name ?? ""),
                "message": .string("\(count) conversations restored from \(file.name); their vectors are written anew"),
            ])
    }

    private func export(_ request: Request, _ context: CallContext) async throws -> Response {
        let store = try await service.existing(context)
        let scratch = try await offPool { [backup] in try MemoryBackup.Scratch(in: backup.folder) }
        let path = scratch.path("export.json")
        try await request.whileClientStays {
            try await store.pool.read { db in try MemoryExport.write(store.project, at: store.now(), db, to: path) }
        }
        let reader = try await offPool { try PieceReader(path) }
        return Response(
            status: .ok,
            headers: [
                .contentType: "application/json", .contentDisposition: "attachment; filename=\"memory_\(store.project).json\"",
            ],
            body: ResponseBody { writer in
                while let part = try await offPool({ try reader.next() }) { try await writer.write(ByteBuffer(bytes: part)) }
                try await writer.finish(nil)
                // The file lives until its last byte was written.
                withExtendedLifetime(scratch) {}
            })
    }

    private func take(_ request: Request, _ context: CallContext) async throws -> Response {
        let document = try MemoryImport(try await request.strict(MemoryImport.Body.self, context))
        let store = try await service.projects.store(try ProjectID(try context.part("id")), for: context.caller)
        // Of what was taken in when the client left, the vectors are written as well.
        defer { service.sync.wake(store) }
        let (imported, skipped) = try await request.whileClientStays { try await document.run(in: store) }
        return ProjectRoutes.done(
            store,
            [
                "imported": .integer(Int64(imported)), "skipped": .integer(Int64(skipped)),
                "message": .string("\(imported) conversations taken in, \(skipped) passed over"),
            ])
    }
}

/// Reads a file piece by piece. Blocks.
private final class PieceReader: Sendable {
    private let file: SystemPackage.FileDescriptor

    init(_ path: FilePath) throws { file = try SystemPackage.FileDescriptor.open(path, .readOnly) }

    deinit { try? file.close() }

    func next() throws -> [UInt8]? {
        let part = try [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
            count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
        }
        return part.isEmpty ? nil : part
    }
}
