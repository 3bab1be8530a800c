import Foundation
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

extension Checklist {
    /// Phase 5: the stack does its work, and how fast.
    static func function(_ settings: Settings) -> [Check] {
        let rag = settings.baseURL(of: .rag)
        let json = "-H 'content-type: application/json'"
        return [
            Check(
                "S26", .function, "Indexing", threshold: "one document indexed, at least 1 passage",
                command: "curl -fsS -X POST '\(rag)/index?collection=verify&path=…'", limit: .seconds(120), run: indexing),
            Check(
                "S27", .function, "Korean question", threshold: "a Korean answer that cites the document, in less than 3 s",
                command: "curl -fsS \(rag)/query \(json) -d '{\"query\":\"\(Probe.question)\",\"collection\":\"verify\",\"cache\":false}'",
                limit: .seconds(180),
                run: koreanQuestion),
            Check(
                "S28", .function, "Embedding", threshold: "2 texts give 2 vectors of the reported dimension",
                command: "curl -fsS \(settings.baseURL(of: .embedding))/embed \(json) -d '{\"texts\":[\"a\",\"b\"]}'", run: embedding),
            .absent(
                "S29", .function, "Tool call", threshold: "read_file returns the file's content",
                command: "curl -fsS localhost:8020/tools/read_file/call \(json) -d '{\"path\":\"README.md\"}'"),
            Check(
                "S30", .function, "Gateway latency", threshold: "p95 < 3 s over real chat requests",
                command: "maru verify --phase 5", limit: .seconds(120), run: gatewayLatency),
            Check(
                "S31", .function, "GPU memory under load", threshold: "< 90 % with both models loaded",
                command: "nvidia-smi --query-gpu=memory.used,memory.total --format=csv,noheader,nounits", run: gpuMemory),
            .absent(
                "S32", .function, "Memory backup", threshold: "restored and compared", command: "maru backup create && maru backup verify"),
            Check(
                "S33", .function, "Snapshots", threshold: "one made of each collection, checksum right, one restored with the same points",
                command: "for c in …; do curl -fsS -X POST \(settings.baseURL(of: .qdrant))/collections/$c/snapshots; done",
                limit: .seconds(180),
                run: snapshots),
            Check("G2", .function, "Scenario: a question is answered", threshold: "S26 and S27", command: "maru verify --phase 5") {
                context in
                try await combined(["S26", "S27"], context)
            },
            Check(
                "G3", .function, "Scenario: stable within the GPU's memory", threshold: "S31, both models healthy", command: "nvidia-smi"
            ) { context in
                guard await context.notes.outcome(of: "S31") != .skip else { return .skip("no GPU on this machine") }
                return try await combined(["S31", "S12", "S13"], context)
            },
            Check("P1", .function, "Gateway p95", threshold: "< 3 s", command: "maru verify --phase 5") { context in
                try await combined(["S30"], context)
            },
            Check(
                "P2", .function, "Retrieval throughput", threshold: "> 1 answered question a second, 5 at a time",
                command: "maru verify --phase 5",
                limit: .seconds(150), run: retrievalThroughput),
            Check("P3", .function, "GPU under load", threshold: "< 90 %", command: "nvidia-smi") { context in
                guard await context.notes.outcome(of: "S31") != .skip else { return .skip("no GPU on this machine") }
                return try await combined(["S31"], context)
            },
            .absent(
                "P4", .function, "CPU under load", threshold: "< 80 % on average",
                command: "curl -fsSG localhost:9090/api/v1/query --data-urlencode query=node_cpu_seconds_total"),
            Check(
                "P5", .function, "Disk after the run", threshold: "> 10 GB free in DATA_DIR",
                command: "df -BG --output=avail \(settings.dataFolders.root)"
            ) { context in try freeSpace(at: context.settings.dataFolders.root, atLeast: 10) },
        ]
    }

    // MARK: S26, S27

    private static func indexing(_ context: CheckContext) async throws -> Finding {
        let folder = context.settings.dataFolders.documents.appending("verify")
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        try Probe.document.write(toFile: folder.appending(Probe.file).string, atomically: true, encoding: .utf8)
        let answer = try await context.clients.retrieval.index(IndexRequest(collection: Probe.collection, path: folder.string))
        let evidence = "chunks \(answer.chunks), files \(answer.files), indexed \(answer.indexed), failed \(answer.failed.map(\.reason))"
        guard answer.chunks >= 1, answer.failed.isEmpty else {
            return Finding(.fail, value: "\(answer.chunks) passages", evidence: evidence)
        }
        return Finding(
            .pass, value: "\(answer.chunks) passages in \(answer.seconds.formatted(.number.precision(.fractionLength(2)))) s",
            evidence: evidence)
    }

    private static func koreanQuestion(_ context: CheckContext) async throws -> Finding {
        let start = ContinuousClock.now
        let answer = try await context.clients.retrieval.query(
            QueryRequest(query: Probe.question, collection: Probe.collection, cache: false))
        let seconds = start.duration(to: .now).seconds
        let value = seconds.formatted(.number.precision(.fractionLength(2))) + " s"
        let evidence =
            "question: \(Probe.question)\nanswer: \(answer.answer)\nsources: \(answer.sources.map(\.file))\ncached: \(answer.cached)"
        var wrong: [String] = []
        if answer.answer.unicodeScalars.first(where: { (0xAC00...0xD7A3).contains($0.value) }) == nil {
            wrong.append("the answer is not Korean")
        }
        if !answer.sources.contains(where: { $0.file.hasSuffix(Probe.file) }) { wrong.append("it does not cite \(Probe.file)") }
        guard wrong.isEmpty else { return Finding(.fail, value: value, reason: wrong.joined(separator: "; "), evidence: evidence) }
        return try await judgedSpeed(
            seconds < 3, value: value, what: "the answer is right but took longer than 3 s", evidence: evidence, context)
    }

    /// A threshold of speed was set for a machine with a GPU. Without one, missing it is worth knowing, and no reason to refuse the stack.
    private static func judgedSpeed(_ isMet: Bool, value: String, what: String, evidence: String, _ context: CheckContext) async throws
        -> Finding
    {
        if isMet { return Finding(.pass, value: value, evidence: evidence) }
        let hasGPU = await context.program("nvidia-smi", "-L")?.succeeded ?? false
        return hasGPU
            ? Finding(.fail, value: value, reason: what, evidence: evidence)
            : Finding(
                .warn, value: value, reason: what + "; there is no GPU on this machine, for which the figure was set", evidence: evidence)
    }

    // MARK: S28

    private static func embedding(_ context: CheckContext) async throws -> Finding {
        let answer = try await context.clients.embedding.embed(["a", "b"], for: .passage)
        let lengths = answer.embeddings.map { vector in vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
        let value = "\(answer.embeddings.count) vectors of \(answer.dim)"
        guard answer.embeddings.count == 2, answer.embeddings.allSatisfy({ $0.count == answer.dim }),
            answer.embeddings[0] != answer.embeddings[1]
        else {
            return Finding(.fail, value: value, reason: "not two different vectors of the reported dimension", evidence: "\(lengths)")
        }
        if answer.normalize, lengths.contains(where: { abs($0 - 1) > 0.001 }) {
            return Finding(.fail, value: value, reason: "vectors are said to have length 1 and have \(lengths)")
        }
        return Finding(.pass, value: value, evidence: "model \(answer.model), lengths \(lengths)")
    }

    // MARK: S30

    private static func gatewayLatency(_ context: CheckContext) async throws -> Finding {
        let chat = context.clients.chat
        let model = context.settings[SettingKeys.chatAlias]
        let end = ContinuousClock.now.advanced(by: .seconds(45))
        var samples: [Double] = []
        var tokens = 0
        while samples.count < 100, ContinuousClock.now < end {
            let start = ContinuousClock.now
            let request = ChatRequest(
                model: model, messages: [.init(role: "user", content: "Say “ready”. (\(samples.count))")], maxTokens: 2, temperature: 0)
            let answer = try await chat.complete(request)
            samples.append(start.duration(to: .now).seconds)
            tokens += answer.usage?.completion_tokens ?? 0
        }
        let sorted = samples.sorted()
        let evidence =
            "\(samples.count) requests to /v1/chat/completions, \(tokens) tokens generated, seconds: \(sorted.map { ($0 * 1_000).rounded() / 1_000 })"
        guard samples.count >= 20, tokens > 0 else {
            return Finding(
                .inconclusive, value: "\(samples.count) requests, \(tokens) tokens",
                reason: "too few real answers in 45 s to speak of a p95", evidence: evidence)
        }
        let p95 = sorted[min(sorted.count - 1, Int((Double(sorted.count) * 0.95).rounded(.up)) - 1)]
        let value = "p95 \(p95.formatted(.number.precision(.fractionLength(3)))) s of \(samples.count)"
        return p95 < 3 ? Finding(.pass, value: value, evidence: evidence) : Finding(.fail, value: value, evidence: evidence)
    }

    // MARK: S33

    private static func snapshots(_ context: CheckContext) async throws -> Finding {
        let names = try await context.clients.vectors.collections()
        guard !names.isEmpty else { return .skip("there is no collection yet") }
        var lines: [String] = []
        for name in names { lines.append("\(name): \(try await context.clients.vectors.snapshot(name))") }
        // The probe's collection is small and ours: it is restored beside itself and counted.
        guard names.contains(Probe.collection), let original = try await context.clients.vectors.collection(Probe.collection) else {
            return Finding(
                .inconclusive, value: "\(lines.count) made", reason: "none was restored: S26 made no collection",
                evidence: lines.joined(separator: "\n"))
        }
        let restored = try await SnapshotDrill(context).restore(Probe.collection)
        lines.append("restored \(restored.points) of \(original.points) points from \(restored.bytes) bytes, SHA-256 \(restored.checksum)")
        let evidence = lines.joined(separator: "\n")
        guard restored.points == original.points else {
            return Finding(
                .fail, value: "\(restored.points) of \(original.points) points", reason: "the restored collection lacks points",
                evidence: evidence)
        }
        return Finding(.pass, value: "\(names.count) made, 1 restored with \(restored.points) points", evidence: evidence)
    }

    // MARK: P2

    private static func retrievalThroughput(_ context: CheckContext) async throws -> Finding {
        let seconds = 20.0
        let end = ContinuousClock.now.advanced(by: .seconds(seconds))
        let start = ContinuousClock.now
        let (answered, failed) = await withTaskGroup(of: (Int, Int).self) { group in
            for worker in 0..<5 {
                group.addTask {
                    var done = 0
                    var errors = 0
                    while ContinuousClock.now < end {
                        let question = Probe.questions[(worker * 2 + done + errors) % Probe.questions.count]
                        let answer = try? await context.clients.retrieval.query(
                            QueryRequest(query: question, collection: Probe.collection, cache: false))
                        if answer?.answer.isEmpty == false { done += 1 } else { errors += 1 }
                    }
                    return (done, errors)
                }
            }
            return await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
        let elapsed = start.duration(to: .now).seconds
        let rate = Double(answered) / elapsed
        let value = "\(rate.formatted(.number.precision(.fractionLength(2)))) a second"
        let evidence = "\(answered) answered, \(failed) failed in \(elapsed) s, 5 at a time"
        guard failed == 0 else {
            return Finding(.fail, value: value, reason: "\(failed) of \(answered + failed) questions failed", evidence: evidence)
        }
        return try await judgedSpeed(rate > 1, value: value, what: "fewer than one answered question a second", evidence: evidence, context)
    }
}

/// The document and the question by which the stack is proved.
enum Probe {
    static let collection = "verify"
    static let file = "python-file-reading.md"
    static let question = "Python 파일 읽기"
    /// Different questions, so that none finds its prompt read already.
    static let questions = [
        question, "Python에서 텍스트 파일은 어떤 함수로 여나요?", "파일이 저절로 닫히게 하려면 어떤 문을 쓰나요?", "한글이 깨지지 않게 하려면 무엇을 적나요?",
        "open 함수의 encoding에는 무엇을 적나요?", "with 문을 쓰면 파일은 언제 닫히나요?", "notes.txt를 읽는 코드를 알려 주세요.", "텍스트 파일을 읽는 방법",
        "encoding을 꼭 적는 까닭은 무엇인가요?", "파일의 내용을 text에 담으려면 어떻게 하나요?",
    ]
    static let document = """
        # Python 파일 읽기

        Python에서 텍스트 파일은 `open` 함수로 연다. `with` 문을 쓰면 블록이 끝날 때 파일이 저절로 닫힌다.

        ```python
        with open("notes.txt", encoding="utf-8") as file:
            text = file.read()
        ```

        한글이 깨지지 않도록 `encoding="utf-8"`을 꼭 적는다.
        """
}
