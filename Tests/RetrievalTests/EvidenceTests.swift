import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Retrieval

@Suite("What speaks for an answer")
struct EvidenceTests {
    private func cosine(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

    /// A space of three axes: one that all texts share, one for the language, one for the subject.
    private let centring = Centring(samples: [
        (.korean, .passage, [[10, 3, 1], [10, 3, -1]]), (.english, .passage, [[10, -3, 1], [10, -3, -1]]),
        (.korean, .query, [[10, 2, 1], [10, 2, -1]]), (.english, .query, [[10, -2, 1], [10, -2, -1]]),
    ])

    @Test("Centred, a passage about the subject in another language is nearer than one beside the point in the same")
    func acrossLanguages() {
        let question: [Float] = [10, 2, 1]
        let (answer, beside): ([Float], [Float]) = ([10, -3, 1], [10, 3, -1])
        #expect(cosine(question, answer) < cosine(question, beside))
        let centredQuestion = centring.centred(question, .korean, for: .query)
        let centredAnswer = centring.centred(answer, .english, for: .passage)
        let centredBeside = centring.centred(beside, .korean, for: .passage)
        #expect(cosine(centredQuestion, centredAnswer) > 0.9)
        #expect(cosine(centredQuestion, centredBeside) < 0)
    }

    @Test("Centred vectors have length 1, whatever length they came with; a vector of nothing stays one")
    func length() {
        for vector: [Float] in [[10, 3, 1], [1, 0.3, 0.1], [0, 0, 5]] {
            let centred = centring.centred(vector, .korean, for: .passage)
            #expect(abs(cosine(centred, centred) - 1) < 0.000_1)
        }
        #expect(centring.centred([10, 3, 1], .korean, for: .passage) == centring.centred([20, 6, 2], .korean, for: .passage))
        #expect(Centring(samples: []).centred([0, 0, 0], .english, for: .query) == [0, 0, 0])
    }

    @Test("The samples say the same in each language, and no two of them the same")
    func samples() {
        for purpose in EmbeddingPurpose.allCases {
            let korean = SampleTexts.of(.korean, for: purpose)
            let english = SampleTexts.of(.english, for: purpose)
            #expect(korean.count == english.count && Set(korean + english).count == korean.count * 2)
            #expect(korean.allSatisfy { Language(of: $0) == .korean } && english.allSatisfy { Language(of: $0) == .english })
        }
    }

    @Test("What was learnt about a model is kept, each model by itself")
    func kept() async throws {
        try await withScratchFolder { folder in
            let path = folder.appending("rag.db")
            try await IndexDatabase(path: path).keep(centring, for: "a")
            let again = try IndexDatabase(path: path)
            #expect(try await again.centring(for: "a") == centring)
            #expect(try await again.centring(for: "b") == nil)
        }
    }

    @Test("Rare words weigh more than common ones")
    func coverage() {
        let terms = QuestionTerms("printer toner")
        let counts = terms.all.map { $0.text == "toner" ? 1 : 80 }
        let coverage = Coverage(of: terms, counts: counts, total: 100)
        let (toner, printer) = (coverage.share(in: .init("The toner.")), coverage.share(in: .init("Our printer.")))
        #expect(toner > 0.8 && printer < 0.2 && abs(toner + printer - 1) < 0.000_1)
        #expect(coverage.share(in: .init("Toner for the printer")) == 1)
        #expect(coverage.share(in: .init("")) == 0)
    }

    @Test("In a collection of one passage, a word that is there counts about as much as one that is not")
    func smallCollection() {
        let coverage = Coverage(of: QuestionTerms("python file"), counts: [1, 0], total: 1)
        let share = coverage.share(in: .init("file"))
        #expect(share > 0.4 && share < 0.6)
    }

    @Test("A question without words to search by is covered by nothing")
    func noWords() { #expect(Coverage(of: QuestionTerms("?"), counts: [], total: 9).share(in: .init("text")) == 0) }

    @Test("Nearness in meaning or shared words suffice alone; little of both does not")
    func bound() async throws {
        try await withScratchFolder { folder in
            let database = try IndexDatabase(path: folder.appending("rag.db"))
            let new = IndexDatabase.New(id: "a", passage: Passage(lines: 1...1, heading: nil, text: "text"))
            try await database.replace("c", path: "/a", file: "a", hash: "h", passages: [new])
            let passages = try await database.passages("c", ids: ["a"])
            func holds(_ cosine: Double, _ coverage: Double, _ passages: [IndexDatabase.Stored]) -> Bool {
                Answerability.holds(.init(passages: passages, scores: passages.map { _ in 1 }, bestCosine: cosine, coverage: coverage))
            }
            #expect(holds(0.45, 0, passages))
            #expect(holds(0.1, 0.8, passages))
            #expect(!holds(0.15, 0.1, passages))
            #expect(!holds(0.9, 1, []))
        }
    }

    @Test("A passage is embedded with its file and headings, unless these leave no room for it")
    func passageText() async throws {
        let passages = [
            Passage(lines: 1...2, heading: "휴가 › 병가", text: "하루 전에 알린다."), Passage(lines: 3...3, heading: nil, text: "끝."),
        ]
        let texts = try await PassageText.of(passages, in: "docs/ko/leave.md") { $0.map(\.count) }
        #expect(texts == ["leave.md\n휴가 › 병가\n하루 전에 알린다.", "leave.md\n끝."])
        let tight = try await PassageText.of(passages, in: "docs/ko/leave.md") { $0.map { _ in PassageText.reserve } }
        #expect(tight == passages.map(\.text))
    }
}
