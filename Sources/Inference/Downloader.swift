import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import ServiceKit
import SystemPackage

/// Downloads a file over HTTP and goes on where it was when the connection is cut.
public struct Downloader: Sendable {
    private let http: HTTPClient
    private let retry: RetryPolicy

    /// - Parameter http: must follow redirects: model hubs send them.
    public init(
        http: HTTPClient = .downloads, retry: RetryPolicy = RetryPolicy(attempts: 6, firstWait: .seconds(1), longestWait: .seconds(20))
    ) {
        self.http = http
        self.retry = retry
    }

    /// Downloads into a file, from where an earlier try left it (RFC 9110 §14, range requests).
    ///
    /// - Parameter progress: told how many bytes the file has.
    /// - Throws: ``UpstreamError`` when the server refuses, or keeps cutting the connection.
    public func download(_ url: String, to part: FilePath, progress: @escaping @Sendable (Int64) -> Void = { _ in }) async throws {
        guard url.hasPrefix("https://") || url.hasPrefix("http://") else {
            throw ModelUnavailable(description: "\(url) is no HTTP address")
        }
        try await retry.run { try await attempt(url, part, progress) }
    }

    private func attempt(_ url: String, _ part: FilePath, _ progress: @Sendable (Int64) -> Void) async throws {
        let had = FileManager.default.size(part)
        var request = HTTPClientRequest(url: url)
        if had > 0 { request.headers.add(name: "Range", value: "bytes=\(had)-") }
        let response: HTTPClientResponse
        do {
            response = try await http.execute(request, timeout: .seconds(60))
        } catch {
            // A place that cannot be reached at all is given up for the next source; one that had begun to send is worth waiting for.
            guard had > 0 else { throw ModelUnavailable(description: "\(url) cannot be reached: \(error)") }
            throw UpstreamError(service: url, message: "\(error)")
        }
        switch response.status.code {
        case 206: break
        // The server sends all of it again.
        case 200: try? FileManager.default.removeItem(atPath: part.string)
        // There is nothing after what we have.
        case 416 where had > 0: return
        default: throw UpstreamError(service: url, status: Int(response.status.code), message: response.status.reasonPhrase)
        }
        let file = try FileDescriptor.open(
            part, .writeOnly, options: [.create, .append], permissions: [.ownerReadWrite, .groupRead, .otherRead])
        defer { try? file.close() }
        var written = response.status.code == 206 ? had : 0
        let expected = response.headers.first(name: "content-length").flatMap { Int64($0) }.map { $0 + written }
        do {
            for try await piece in response.body {
                written += Int64(try await offPool { try file.writeAll(piece.readableBytesView) })
                progress(written)
            }
        } catch let error as Errno {
            throw error
        } catch {
            throw UpstreamError(service: url, message: "the connection was cut after \(written) bytes: \(error)")
        }
        guard expected == nil || expected == written else {
            throw UpstreamError(service: url, message: "\(written) of \(expected ?? 0) bytes came")
        }
        try await offPool { guard fsync(file.rawValue) == 0 else { throw Errno(rawValue: errno) } }
    }
}

extension HTTPClient {
    /// Follows redirects, as model hubs send them; lives as long as the process.
    public static let downloads: HTTPClient = {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .follow(max: 5, allowCycles: false))
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.timeout.connect = .seconds(10)
        // A server that goes silent in the middle: the connection counts as cut, and the download goes on over another.
        configuration.timeout.read = .seconds(60)
        return HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }()
}
