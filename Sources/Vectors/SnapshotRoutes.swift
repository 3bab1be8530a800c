import AsyncHTTPClient
import Crypto
import Foundation
import Hummingbird
import NIOCore
import NIOFoundationEssentialsCompat
import ServiceKit
import SuiteAPI
import SystemPackage

/// Snapshots, over HTTP.
struct SnapshotRoutes {
    let service: VectorsService

    var all: [Route] {
        let path = "/collections/{collection}/snapshots"
        return [
            Route(.get, path, "The snapshots of a collection.") { _, context in
                try await QdrantReply.of {
                    let folder = try await service.ready().snapshotFolder(try service.collectionName(context))
                    let names = try FileManager.default.contentsOfDirectory(atPath: folder.string).filter { $0.hasSuffix(".snapshot") }
                        .sorted()
                    return JSONValue.array(try await offPool { try names.map { try Self.describe(folder.appending($0)) } })
                }
            },
            Route(.post, path, "Makes a snapshot.", access: .role(.developer)) { _, context in
                try await QdrantReply.of {
                    let store = try await service.ready()
                    let name = try service.collectionName(context)
                    let file = try await store.snapshotFolder(name).appending(Self.fileName(name))
                    let draft = FilePath(file.string + ".draft")
                    defer { try? FileManager.default.removeItem(atPath: draft.string) }
                    try await store.collection(name).snapshot(to: draft)
                    try FileManager.default.moveItem(atPath: draft.string, toPath: file.string)
                    return try await offPool { try Self.describe(file) }
                }
            },
            Route(.get, path + "/{snapshot}", "Downloads a snapshot.") { _, context in
                let file = try await file(context)
                let data = try await offPool { try Data(contentsOf: URL(filePath: file.string), options: .mappedIfSafe) }
                return Response(
                    status: .ok, headers: [.contentType: "application/octet-stream"], body: .init(byteBuffer: ByteBuffer(data: data)))
            },
            Route(.delete, path + "/{snapshot}", "Removes a snapshot.", access: .role(.developer)) { _, context in
                try await QdrantReply.of {
                    try FileManager.default.removeItem(atPath: try await file(context).string)
                    return true
                }
            },
            Route(.put, path + "/recover", "Restores a collection from a snapshot of this store.", access: .role(.developer)) {
                request, context in
                let body = try await request.decode(RecoverBody.self, context)
                return try await QdrantReply.of {
                    try await service.ready().recover(
                        try service.collectionName(context), from: try await located(body.location, context), checksum: body.checksum)
                    return true
                }
            },
            Route(.post, path + "/upload", "Restores a collection from an uploaded snapshot.", access: .role(.developer)) {
                request, context in
                let bytes = try await request.bytes(context)
                return try await QdrantReply.of {
                    let store = try await service.ready()
                    let draft = await store.draftPath()
                    defer { try? FileManager.default.removeItem(atPath: draft.string) }
                    let data = try Self.uploadedFile(bytes, contentType: request.headers[.contentType] ?? "")
                    try await offPool {
                        guard
                            FileManager.default.createFile(atPath: draft.string, contents: data, attributes: [.posixPermissions: 0o600])
                        else { throw ServiceError.unavailable("The uploaded file cannot be kept: is the disk full?", code: "no_room") }
                    }
                    try await store.recover(
                        try service.collectionName(context), from: draft, checksum: request.uri.queryParameters["checksum"].map(String.init)
                    )
                    return true
                }
            },
        ]
    }

    private struct RecoverBody: Decodable, Sendable {
        let location: String
        let checksum: String?
    }

    private func file(_ context: CallContext) async throws -> FilePath {
        let raw = try context.parameters.require("snapshot")
        return try await snapshot(raw.removingPercentEncoding ?? raw, of: try service.collectionName(context))
    }

    private func snapshot(_ name: String, of collection: String) async throws -> FilePath {
        let path = try await service.ready().snapshotFolder(collection).appending(name)
        guard name.hasSuffix(".snapshot"), !name.contains("/"), !name.contains(".."), FileManager.default.fileExists(atPath: path.string)
        else {
            throw ServiceError.notFound("Not found: Snapshot \(name.prefix(200)) not found", code: "snapshot_not_found")
        }
        return path
    }

    /// A location is a snapshot's download address of this very store. Others are not fetched: that would let a caller have this
    /// machine read any address or file.
    private func located(_ location: String, _ context: CallContext) async throws -> FilePath {
        let parts = location.split(separator: "/").map { String($0).removingPercentEncoding ?? String($0) }
        guard let start = parts.firstIndex(of: "collections"), parts.count == start + 4, parts[start + 2] == "snapshots" else {
            throw ServiceError.badRequest(
                "The location must be a snapshot of this store, as …/collections/NAME/snapshots/SNAPSHOT. Send files from elsewhere to …/snapshots/upload.",
                parameter: "location")
        }
        return try await snapshot(parts[start + 3], of: try service.permitted(parts[start + 1], context))
    }

    private static func fileName(_ collection: String) -> String {
        let safe = String(collection.map { $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : "_" })
        return
            "\(safe)-\(Date.now.formatted(.iso8601.dateSeparator(.omitted).timeSeparator(.omitted)))-\(UUID().uuidString.prefix(8).lowercased()).snapshot"
    }

    private static func describe(_ file: FilePath) throws -> JSONValue {
        let attributes = try FileManager.default.attributesOfItem(atPath: file.string)
        let created = (attributes[.creationDate] ?? attributes[.modificationDate]) as? Date ?? .now
        let data = try Data(contentsOf: URL(filePath: file.string), options: .mappedIfSafe)
        let checksum = SHA256.hash(data: data).hex
        return [
            "name": .string(file.lastComponent?.string ?? ""), "size": .integer(Int64(data.count)), "checksum": .string(checksum),
            "creation_time": .string(
                created.formatted(.iso8601.timeZone(separator: .omitted).dateTimeSeparator(.standard)).replacing("Z", with: "")),
        ]
    }

    /// The one file of a multipart form (RFC 7578), or the body itself.
    static func uploadedFile(_ body: ByteBuffer, contentType: String) throws -> Data {
        let data = Data(body.readableBytesView)
        guard contentType.hasPrefix("multipart/form-data"), let boundary = contentType.firstMatch(of: #/boundary="?([^";]+)"?/#)?.1 else {
            return data
        }
        let marker = Data("--\(boundary)".utf8)
        guard let first = data.range(of: marker), let head = data.range(of: Data("\r\n\r\n".utf8), in: first.upperBound..<data.endIndex),
            let last = data.range(of: Data("\r\n".utf8) + marker, in: head.upperBound..<data.endIndex)
        else { throw ServiceError.badRequest("The multipart form holds no file.", code: "invalid_form") }
        return data[head.upperBound..<last.lowerBound]
    }
}
