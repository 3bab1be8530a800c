import Foundation
import Inference
import NIOHTTP1
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

extension Checklist {
    /// Phase 4: settings and files a production stack stands on.
    static func configuration(_ settings: Settings) -> [Check] {
        let folders = settings.dataFolders
        return [
            .absent(
                "S22", .configuration, "Security settings", threshold: "RBAC, approvals, sandbox and rate limits on; a guest is refused",
                command: "maru config | grep -E 'RBAC|APPROVAL|SANDBOX|RATE_LIMIT|SECURITY_MODE'"),
            .absent(
                "S23", .configuration, "Last CI run", threshold: "green", command: "gh run list -L1 --json conclusion -q '.[0].conclusion'"),
            Check(
                "S24", .configuration, "Model and data paths", threshold: "every data folder and the models in use exist",
                command: "ls -d \(folders.required.map(\.string).joined(separator: " ")) \(settings.modelsFolder)/*.gguf", run: paths),
            .absent(
                "S25", .configuration, "Security checklist", threshold: "written",
                command: "test -s docs/ops/PRODUCTION_SECURITY_CHECKLIST.md"),
            Check(
                "C01", .configuration, "Collections fit the embedding model",
                threshold: "every retrieval collection has the model's dimension",
                command: "curl -fsS \(settings.baseURL(of: .embedding))/health \(settings.baseURL(of: .qdrant))/collections/default",
                run: dimensions),
            Check(
                "C02", .configuration, "Secrets", threshold: "readable by their owner alone", command: "ls -l \(folders.secrets)",
                run: secrets),
            Check(
                "C03", .configuration, "Listening addresses", threshold: "this stack's ports are bound to loopback addresses only",
                command: "ss -ltn", run: loopback),
            Check(
                "C04", .configuration, "Engine", threshold: "known build; every known advisory has its mitigation in force",
                command: "maru engine show", run: engine),
        ]
    }

    private static func paths(_ context: CheckContext) async throws -> Finding {
        let missing = context.settings.dataFolders.required.filter { !FileManager.default.fileExists(atPath: $0.string) }.map(\.string)
        var reasons = missing.map { "\($0) is missing" }
        var found: [String] = []
        let store = ModelStore(settings: context.settings)
        for role in [ModelRole.chat, .code, .embedding] {
            do {
                found.append(try await store.path(for: role).string)
            } catch {
                reasons.append("\(error)")
            }
        }
        let value = "\(context.settings.dataFolders.required.count - missing.count) folders, \(Set(found).count) model files"
        guard reasons.isEmpty else { return Finding(.fail, value: value, reason: reasons.joined(separator: "; ")) }
        return Finding(.pass, value: value, evidence: found.joined(separator: "\n"))
    }

    /// S04: the models in use are there, whole, and what they claim to be.
    static func modelFiles(_ context: CheckContext) async throws -> Finding {
        let store = ModelStore(settings: context.settings)
        var checked: [String: String] = [:]
        var reasons: [String] = []
        for role in [ModelRole.chat, .code, .embedding] {
            do {
                let path = try await store.path(for: role)
                guard checked[path.string] == nil else { continue }
                checked[path.string] = try await store.verify(path).summary
            } catch {
                reasons.append("\(role.rawValue): \(error)")
            }
        }
        let evidence = checked.map { "\($0.key): \($0.value)" }.sorted().joined(separator: "\n")
        guard reasons.isEmpty else {
            return Finding(.fail, value: "\(checked.count) in order", reason: reasons.joined(separator: "; "), evidence: evidence)
        }
        return Finding(.pass, value: "\(checked.count) files", evidence: evidence)
    }

    /// A model that was exchanged under an index leaves every search without sense, or failing.
    private static func dimensions(_ context: CheckContext) async throws -> Finding {
        let health: JSONValue = try await context.clients.client(.embedding).send(.GET, "/health")
        guard let dimension = health["dim"]?.intValue, dimension > 0 else {
            return Finding(.inconclusive, reason: "the embedding service does not report a dimension", evidence: text(health))
        }
        let known: JSONValue = try await context.clients.client(.rag).send(.GET, "/collections")
        let names = known["collections"]?.arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
        guard !names.isEmpty else { return .skip("nothing has been indexed yet") }
        var wrong: [String] = []
        var lines: [String] = ["embedding \(dimension)"]
        for name in names {
            guard let collection = try await context.clients.vectors.collection(name) else {
                wrong.append("collection \(name) is missing in the vector store: index its documents again")
                continue
            }
            lines.append("\(name) \(collection.size)")
            if collection.size != dimension {
                wrong.append(
                    "collection \(name) has \(collection.size) dimensions, the model \(dimension): index its documents again or go back to its model"
                )
            }
        }
        let evidence = lines.joined(separator: "\n")
        guard wrong.isEmpty else {
            return Finding(.fail, value: "\(wrong.count) of \(names.count)", reason: wrong.joined(separator: "; "), evidence: evidence)
        }
        return Finding(.pass, value: "\(names.count) collections of \(dimension)", evidence: evidence)
    }

    private static func secrets(_ context: CheckContext) async throws -> Finding {
        let folder = context.settings.dataFolders.secrets
        guard FileManager.default.fileExists(atPath: folder.string) else { return .skip("there are no keys yet: maru up makes the first") }
        var open: [String] = []
        var lines: [String] = []
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.string).map { folder.appending($0) }
        for path in [folder] + files {
            let attributes = try FileManager.default.attributesOfItem(atPath: path.string)
            let mode = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
            lines.append(String(mode, radix: 8) + " \(path)")
            if mode & 0o077 != 0 { open.append("\(path) has mode \(String(mode, radix: 8)): chmod go= it") }
        }
        let evidence = lines.joined(separator: "\n")
        guard !files.isEmpty else { return .skip("there are no keys yet: maru up makes the first") }
        guard open.isEmpty else { return Finding(.fail, reason: open.joined(separator: "; "), evidence: evidence) }
        return Finding(.pass, value: "\(files.count) keys", evidence: evidence)
    }

    /// Reads the kernel's table of listening sockets (proc(5), `/proc/net/tcp`).
    private static func loopback(_ context: CheckContext) async throws -> Finding {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].compactMap { KernelFile.text($0) }
        guard !tables.isEmpty else { return .skip("this system has no /proc/net/tcp") }
        let mine = Set(ServiceCatalogue.runnable.compactMap { $0.port.map { context.settings[$0] } })
        var open: [String] = []
        var seen = 0
        for line in tables.flatMap({ $0.split(separator: "\n") }) {
            let fields = line.split(separator: " ", omittingEmptySubsequences: true)
            guard fields.count > 3, fields[3] == "0A", let colon = fields[1].lastIndex(of: ":"),
                let port = Int(fields[1][fields[1].index(after: colon)...], radix: 16), mine.contains(port)
            else { continue }
            seen += 1
            let address = fields[1][..<colon]
            // 127.0.0.0/8 and ::1, in the kernel's byte order.
            let isLoopback = address.count == 8 ? address.hasSuffix("7F") : address == "00000000000000000000000001000000"
            if !isLoopback { open.append("port \(port) listens on \(address)") }
        }
        guard seen > 0 else { return Finding(.inconclusive, reason: "none of this stack's ports is listening") }
        guard open.isEmpty else {
            let isMeant = context.settings[SettingKeys.securityMode] == .production
            return Finding(
                isMeant ? .warn : .fail, reason: open.joined(separator: "; ") + ". Set HOST=127.0.0.1, or put a firewall before it")
        }
        return Finding(.pass, value: "\(seen) ports")
    }

    private static func engine(_ context: CheckContext) async throws -> Finding {
        let engine = try await EngineDiscovery(settings: context.settings).find()
        let advisories = EngineAdvisories.applying(to: engine)
        let evidence = ([engine.description] + advisories.map(\.description)).joined(separator: "\n")
        guard let build = engine.build else {
            return Finding(
                .warn, value: engine.path.string, reason: "the engine does not tell its build number, so advisories cannot be looked up",
                evidence: evidence)
        }
        let open = advisories.filter { !$0.isMitigated }
        guard open.isEmpty else {
            return Finding(.fail, value: "b\(build)", reason: open.map(\.description).joined(separator: "; "), evidence: evidence)
        }
        return Finding(.pass, value: "b\(build), \(advisories.count) advisories mitigated", evidence: evidence)
    }
}
