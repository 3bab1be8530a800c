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
            Check(
                "S22", .configuration, "Security settings", threshold: "RBAC, approvals, sandbox and rate limits on; a guest is refused",
                command: "maru config | grep -E 'RBAC|APPROVAL|SANDBOX|RATE_LIMIT|SECURITY_MODE'", asksService: true, run: securitySettings
            ),
            Check(
                "S23", .configuration, "Last CI run", threshold: "green, of this commit", command: ".ci/run && cat .build/ci-passed",
                run: lastCIRun),
            Check(
                "S24", .configuration, "Model and data paths", threshold: "every data folder and the models in use exist",
                command: "ls -d \(folders.required.map(\.string).joined(separator: " ")) \(settings.modelsFolder)/*.gguf", run: paths),
            Check(
                "S25", .configuration, "Security checklist", threshold: "written",
                command: "test -s docs/ops/PRODUCTION_SECURITY_CHECKLIST.md", run: securityChecklist),
            Check(
                "C01", .configuration, "Collections fit the embedding model",
                threshold: "every retrieval collection has the model's dimension",
                command:
                    "curl -fsS \(settings.baseURL(of: .embedding))/health; \(settings.curl) \(settings.baseURL(of: .rag))/collections; \(settings.eachCollection) \(settings.storeCurl)/collections/$c; done",
                asksService: true, run: dimensions),
            Check(
                "C02", .configuration, "Secrets", threshold: "readable by their owner alone", command: "ls -l \(folders.secrets)",
                run: secrets),
            Check(
                "C03", .configuration, "Listening addresses", threshold: "this stack's ports are bound to loopback addresses only",
                command: "ss -ltn", run: loopback),
            Check(
                "C04", .configuration, "Engine",
                threshold: "known build; every known advisory has its mitigation in force in the engines that run",
                command: "maru engine show; ps -ww -o args= -p $(cat \(folders.run)/*.engine.pid | cut -d' ' -f1 | paste -sd,)", run: engine
            ),
        ] + security(settings) + memory(settings)
    }

    /// `.ci/run` leaves the commit that it found green, so that the check needs no network.
    private static func lastCIRun(_ context: CheckContext) async -> Finding {
        let folder = context.settings.home
        guard let head = await context.git("rev-parse", "HEAD", in: folder) else { return .skip("git is not installed") }
        guard head.succeeded else { return .skip("\(folder) is not a git checkout", evidence: head.output) }
        guard let record = try? String(contentsOfFile: folder.appending(".build/ci-passed").string, encoding: .utf8) else {
            return .skip("no run is recorded in this checkout; make one with: .ci/run")
        }
        let green = record.prefix { !$0.isWhitespace }
        guard head.output == green else {
            return Finding(
                .warn, value: String(green.prefix(12)), reason: "the last green run was of another commit; run again: .ci/run",
                evidence: "HEAD \(head.output)\ngreen \(record)")
        }
        return Finding(.pass, value: String(green.prefix(12)), evidence: record)
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
        // Documents without text have no passages, and a collection without passages was never made in the store.
        let names =
            known["collections"]?.arrayValue?.filter { $0["passages"]?.intValue != 0 }.compactMap { $0["name"]?.stringValue } ?? []
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
                    "collection \(name) has \(collection.size) dimensions, the model \(dimension): go back to its model, or forget the collection (\(context.settings.curl) -X DELETE \(context.settings.baseURL(of: .rag))/collections/\(name)) and index its documents again"
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
        let mine = Set(ServiceCatalogue.all.flatMap { $0.ports.map { context.settings[$0] } })
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
        let running = try await RunningEngine.all(context)
        let evidence = ([engine.description] + advisories.map(\.description) + running.map(\.description)).joined(separator: "\n")
        let loose = running.compactMap { process -> String? in
            let missing = process.missing(of: engine)
            return missing.isEmpty ? nil : "\(process.name) runs without \(missing.joined(separator: " and "))"
        }
        guard loose.isEmpty else {
            return Finding(
                .fail, value: "\(loose.count) of \(running.count) engines",
                reason: loose.joined(separator: "; ") + ". Start again: maru restart",
                evidence: evidence)
        }
        guard let build = engine.build else {
            return Finding(
                .warn, value: engine.path.string, reason: "the engine does not tell its build number, so advisories cannot be looked up",
                evidence: evidence)
        }
        let open = advisories.filter { !$0.isMitigated }
        guard open.isEmpty else {
            return Finding(.fail, value: "b\(build)", reason: open.map(\.description).joined(separator: "; "), evidence: evidence)
        }
        guard !running.isEmpty else {
            return Finding(
                .inconclusive, value: "b\(build)", reason: "no engine runs, so nothing shows that the mitigations are in force",
                evidence: evidence)
        }
        return Finding(
            .pass, value: "b\(build), \(advisories.count) advisories mitigated in \(running.count) engines", evidence: evidence)
    }
}
