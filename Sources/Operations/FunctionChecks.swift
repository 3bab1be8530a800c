import Foundation
import ServiceKit
import Suite
import SuiteAPI
import SystemPackage

extension Checklist {
    /// Phase 5: the stack does its work, and how fast.
    static func function(_ settings: Settings) -> [Check] {
        let rag = settings.baseURL(of: .rag)
        let curl = settings.curl
        let probe = Probe.path(settings)
        let json = "-H 'content-type: application/json'"
        return [
            Check(
                "S26", .function, "Indexing", threshold: "one new document indexed, at least 1 passage",
                command:
                    "echo \"<!-- $(date) -->\" >> '\(probe)' && \(curl) \(rag)/index \(json) -d '{\"collection\":\"\(Probe.collection)\",\"path\":\"\(probe.removingLastComponent())\"}'",
                limit: .seconds(120), asksService: true, run: indexing),
            Check(
                "S27", .function, "Korean question", threshold: "a Korean answer that cites the document, in less than 3 s",
                command: "\(curl) \(rag)/query \(json) -d '{\"query\":\"\(Probe.question)\",\"collection\":\"verify\",\"cache\":false}'",
                limit: .seconds(180), asksService: true,
                run: koreanQuestion),
            Check(
                "S28", .function, "Embedding", threshold: "2 texts give 2 vectors of the reported dimension",
                command: "\(curl) \(settings.baseURL(of: .embedding))/embed \(json) -d '{\"texts\":[\"a\",\"b\"]}'", asksService: true,
                run: embedding),
            Check(
                "S29", .function, "Tool call", threshold: "read_file returns the file's content",
                command: "\(curl) \(settings.baseURL(of: .mcpServer))/tools/read_file/call \(json) -d '{\"path\":\"README.md\"}'",
                asksService: true, run: toolCall
            ),
            Check(
                "N10", .function, "Every tool",
                threshold: "all tools of this build; those that read do their work; a guest is refused all that is not his",
                command: "\(curl) \(settings.baseURL(of: .mcpServer))/tools | jq '.tools | length'", limit: .seconds(180),
                asksService: true,
                run: everyTool
            ),
            Check(
                "S30", .function, "Gateway latency", threshold: "p95 < 3 s over real chat requests",
                command: "maru verify --phase 5", limit: .seconds(120), asksService: true, run: gatewayLatency),
            Check(
                "S31", .function, "GPU memory under load", threshold: "< 90 % with both models loaded",
                command: GPUMemory.command, run: gpuMemory),
            memoryBackup(settings),
            Check(
                "S33", .function, "Snapshots", threshold: "one made of each collection, checksum right, one restored with the same points",
                command:
                    "\(settings.eachCollection) \(settings.storeCurl)/collections/$c/snapshots -X POST; done",
                limit: .seconds(600), asksService: true, run: snapshots),
            Check("G2", .function, "Scenario: a question is answered", threshold: "S26 and S27", command: "maru verify --phase 5") {
                context in
                try await combined(["S26", "S27"], context)
            },
            Check(
                "G3", .function, "Scenario: stable within the GPU's memory", threshold: "S31, both models healthy",
                command: GPUMemory.command
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
                limit: .seconds(210), asksService: true,
                run: { context in
                    try await GPUMemory.sampling(context) { try await retrievalThroughput(context) }
                }),
            Check(
                "P3", .function, "GPU under load", threshold: "< 90 % while P2 runs",
                command: "maru verify --phase 5 & \(GPUMemory.command)",
                run: GPUMemory.underLoad),
            .absent(
                "P4", .function, "CPU under load", threshold: "< 80 % on average",
                command: "curl -fsSG localhost:9090/api/v1/query --data-urlencode query=node_cpu_seconds_total"),
            Check(
                "P5", .function, "Disk after the run", threshold: "> 10 GB free in DATA_DIR",
                command: "df -B1 --output=avail \(settings.dataFolders.root)"
            ) { context in try freeSpace(at: context.settings.dataFolders.root, atLeast: 10) },
        ]
    }

    // MARK: S26, S27

    private static func indexing(_ context: CheckContext) async throws -> Finding {
        let path = Probe.path(context.settings)
        let folder = path.removingLastComponent()
        try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
        // What did not change is not indexed again: the moment makes each run's document a new one.
        let moment = Date.now.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: true))
        try "\(Probe.document)\n\n<!-- \(moment) -->\n".write(toFile: path.string, atomically: true, encoding: .utf8)
        let answer = try await retrieval(context, timeout: .seconds(110))
            .index(IndexRequest(collection: Probe.collection, path: folder.string))
        let evidence = "chunks \(answer.chunks), files \(answer.files), indexed \(answer.indexed), failed \(answer.failed.map(\.reason))"
        guard answer.chunks >= 1, answer.failed.isEmpty, answer.indexed == 1 else {
            return Finding(
                .fail, value: "\(answer.chunks) passages",
                reason: answer.failed.first.map { "\($0.file): \($0.reason)" }
                    ?? "\(answer.indexed) documents were indexed instead of the one that is new",
                evidence: evidence)
        }
        return Finding(
            .pass, value: "\(answer.chunks) passages in \(answer.seconds.formatted(.number.precision(.fractionLength(2)))) s",
            evidence: evidence)
    }

    private static func koreanQuestion(_ context: CheckContext) async throws -> Finding {
        let start = ContinuousClock.now
        let answer = try await retrieval(context, timeout: .seconds(170)).query(
            QueryRequest(query: Probe.question, collection: Probe.collection, cache: false))
        let seconds = start.duration(to: .now).seconds
        let value = seconds.formatted(.number.precision(.fractionLength(2))) + " s"
        let evidence =
            "question: \(Probe.question)\nanswer: \(answer.answer)\nsources: \(answer.sources.map(\.file))\ncached: \(answer.cached)"
        var wrong: [String] = []
        if answer.answer.unicodeScalars.first(where: { (0xAC00...0xD7A3).contains($0.value) }) == nil {
            wrong.append("the answer is not Korean")
        }
        if !answer.answered { wrong.append("the stack says that it found no answer") }
        let cited = Set(answer.answer.matches(of: #/\[(\d+)\]/#).compactMap { Int($0.1) })
        if !answer.sources.contains(where: { cited.contains($0.index) && $0.file.hasSuffix(Probe.file) }) {
            wrong.append("it does not cite \(Probe.file)")
        }
        guard wrong.isEmpty else { return Finding(.fail, value: value, reason: wrong.joined(separator: "; "), evidence: evidence) }
        return try await judgedSpeed(
            seconds < 3, value: value, what: "the answer is right but took longer than 3 s", evidence: evidence, context)
    }

    /// Retrieval with a limit that lies within the check's, so that who does not answer is named.
    private static func retrieval(_ context: CheckContext, timeout: Duration) -> RetrievalClient {
        RetrievalClient(context.clients.client(.rag, timeout: timeout))
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
        let chat = ChatClient(context.clients.client(.gateway, timeout: .seconds(60)))
        let model = context.settings[SettingKeys.chatAlias]
        let end = ContinuousClock.now.advanced(by: .seconds(45))
        var samples: [Double] = []
        var tokens = 0
        // Of 100 requests 5 may be slower than the p95.
        let planned = 100
        let allowed = 5
        while samples.count < planned, samples.count(where: { $0 >= 3 }) <= allowed, ContinuousClock.now < end {
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
        guard tokens > 0 else {
            return Finding(.inconclusive, value: "\(samples.count) requests", reason: "no answer tells its tokens", evidence: evidence)
        }
        let slow = samples.count { $0 >= 3 }
        if slow > allowed {
            return try await judgedSpeed(
                false, value: "\(slow) of \(samples.count) requests took 3 s or longer",
                what: "of \(planned) requests \(allowed) may, for a p95 below 3 s", evidence: evidence, context)
        }
        guard samples.count >= 20 else {
            let median = sorted[sorted.count / 2]
            let value = "median \(median.formatted(.number.precision(.fractionLength(3)))) s of \(samples.count)"
            guard median <= 3 else {
                return try await judgedSpeed(
                    false, value: value, what: "half of the requests took longer than 3 s", evidence: evidence, context)
            }
            return Finding(.inconclusive, value: value, reason: "too few answers in 45 s to speak of a p95", evidence: evidence)
        }
        let p95 = sorted[min(sorted.count - 1, Int((Double(sorted.count) * 0.95).rounded(.up)) - 1)]
        let value = "p95 \(p95.formatted(.number.precision(.fractionLength(3)))) s of \(samples.count)"
        return try await judgedSpeed(p95 < 3, value: value, what: "not below 3 s", evidence: evidence, context)
    }

    // MARK: S33

    private static func snapshots(_ context: CheckContext) async throws -> Finding {
        let store = context.clients.vectors
        let names = try await store.collections()
        guard !names.isEmpty else { return .skip("there is no collection yet") }
        let drill = SnapshotDrill(store)
        var lines: [String] = []
        var untold: [String] = []
        var points: Int?
        for name in names {
            // The probe's collection is small and ours: it is restored beside itself and counted.
            let proof = try await drill.prove(name, isRestored: name == Probe.collection)
            lines.append("\(name): \(proof.bytes) bytes, SHA-256 \(proof.checksum)")
            if !proof.isChecksumTold { untold.append(name) }
            points = proof.points ?? points
        }
        guard let points, let original = try await store.collection(Probe.collection)?.points else {
            return Finding(
                .inconclusive, value: "\(lines.count) made", reason: "none was restored: S26 made no collection",
                evidence: lines.joined(separator: "\n"))
        }
        lines.append("restored \(points) of \(original) points of \(Probe.collection)")
        let evidence = lines.joined(separator: "\n")
        guard points == original, points > 0 else {
            return Finding(
                .fail, value: "\(points) of \(original) points", reason: "the restored collection lacks points", evidence: evidence)
        }
        guard untold.isEmpty else {
            return Finding(
                .inconclusive, value: "\(names.count) made, 1 restored with \(points) points",
                reason: "the store tells no checksum of: " + untold.joined(separator: ", "), evidence: evidence)
        }
        return Finding(.pass, value: "\(names.count) made, 1 restored with \(points) points", evidence: evidence)
    }

    // MARK: P2

    private static func retrievalThroughput(_ context: CheckContext) async throws -> Finding {
        let retrieval = retrieval(context, timeout: .seconds(180))
        let seconds = 20.0
        let end = ContinuousClock.now.advanced(by: .seconds(seconds))
        let start = ContinuousClock.now
        let tally = await withTaskGroup(of: Tally.self) { group in
            for worker in 0..<5 {
                group.addTask {
                    var tally = Tally()
                    while ContinuousClock.now < end {
                        let question = Probe.questions[(worker * 2 + tally.count) % Probe.questions.count]
                        let answer = try? await retrieval.query(
                            QueryRequest(query: question, collection: Probe.collection, cache: false))
                        tally.add(answer)
                    }
                    return tally
                }
            }
            return await group.reduce(into: Tally()) { $0 += $1 }
        }
        let elapsed = start.duration(to: .now).seconds
        let rate = Double(tally.answered) / elapsed
        let value = "\(rate.formatted(.number.precision(.fractionLength(2)))) a second"
        let evidence = "\(tally.answered) answered, \(tally.refused) refused, \(tally.failed) failed in \(elapsed) s, 5 at a time"
        guard tally.failed == 0 else {
            return Finding(.fail, value: value, reason: "\(tally.failed) of \(tally.count) questions failed", evidence: evidence)
        }
        guard tally.refused <= tally.answered else {
            return Finding(
                .fail, value: value, reason: "\(tally.refused) of \(tally.count) questions about the probe's document were refused",
                evidence: evidence)
        }
        return try await judgedSpeed(rate > 1, value: value, what: "fewer than one answered question a second", evidence: evidence, context)
    }
}

/// How questions came out. To say that nothing was found is quick, and no answer; a small model says so now and then of what it has read.
private struct Tally {
    private(set) var answered = 0
    private(set) var refused = 0
    private(set) var failed = 0

    var count: Int { answered + refused + failed }

    /// - Parameter answer: what came; `nil` for an error.
    mutating func add(_ answer: QueryResponse?) {
        guard let answer else {
            failed += 1
            return
        }
        if answer.answered, !answer.answer.isEmpty { answered += 1 } else { refused += 1 }
    }

    static func += (left: inout Tally, right: Tally) {
        left.answered += right.answered
        left.refused += right.refused
        left.failed += right.failed
    }
}

/// The document and the question by which the stack is proved.
enum Probe {
    static let collection = "verify"
    static let file = "python-file-reading.md"

    /// Where the document is written.
    static func path(_ settings: Settings) -> FilePath { settings.dataFolders.documents.appending(collection).appending(file) }

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
