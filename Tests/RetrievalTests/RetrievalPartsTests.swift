import Foundation
import Suite
import SuiteAPI
import SystemPackage
import TestSupport
import Testing

@testable import Retrieval

@Suite("Retrieval")
struct RetrievalPartsTests {
    private func split(_ text: String, limit: Int = 20, overlap: Int = 4) async throws -> [Passage] {
        try await Splitter(limit: limit, overlap: overlap) { texts in texts.map { $0.split(separator: " ").count } }.split(text)
    }

    @Test("weakness_29_no_text_is_dropped_by_splitting")
    func weakness_29_nothingDropped() async throws {
        let words = (0..<400).map { "word\($0)" }
        let text = "# Title\n" + words.joined(separator: " ") + "\n\n## Part\nlast line"
        let joined = try await split(text).map(\.text).joined(separator: "\n")
        for word in words + ["Title", "Part", "last line"] { #expect(joined.contains(word)) }
    }

    @Test("Passages know their lines and headings, and keep to the limit")
    func passages() async throws {
        let passages = try await split("# A\none two three four five\n\n## B\nsix seven eight nine ten\n# C\neleven")
        #expect(passages.map(\.heading) == ["A", "A › B", "C"])
        #expect(passages.map(\.lines) == [1...3, 4...5, 6...7])
    }

    @Test("Two syllables are found with any particle and inside a compound, decomposed or not")
    func korean() async throws {
        try await withScratchFolder { folder in
            let database = try IndexDatabase(path: folder.appending("rag.db"))
            for (number, text) in ["올해 연차는 십오 일이다", "미사용연차이월 규정", "백업을 매일 한다"].enumerated() {
                try await database.replace(
                    "c", path: "/\(number)", file: "\(number).md", hash: "h",
                    passages: [.init(id: "\(number)", passage: Passage(lines: 1...1, heading: nil, text: text))])
            }
            for question in ["연차", "연차".decomposedStringWithCanonicalMapping] {
                let expression = try #require(QuestionTerms(question).expression)
                #expect(Set(try await database.matching(expression, in: "c", limit: 9).map(\.id)) == ["0", "1"])
            }
            try await database.remove("c", path: "/0")
            let expression = try #require(QuestionTerms("연차").expression)
            #expect(try await database.matching(expression, in: "c", limit: 9).map(\.id) == ["1"])
        }
    }

    @Test("Any text is a question", arguments: ["what is C++?", "\"quoted\" AND (", "NEAR(a b)", "*", "", "a:b -c ^d"])
    func hostile(question: String) async throws {
        try await withScratchFolder { folder in
            let database = try IndexDatabase(path: folder.appending("rag.db"))
            guard let expression = QuestionTerms(question).expression else { return }
            _ = try await database.matching(expression, in: "c", limit: 9)
        }
    }

    @Test("Citations of nothing are taken out; an answer that cites nothing is given its source")
    func citations() {
        let sources = [("alpha beta", 1), ("gamma delta", 2)].map {
            Source(index: $1, file: "f", lines: [1, 1], heading: nil, text: $0, score: 1)
        }
        #expect(Citations.settle("It is gamma [7].", sources: sources) == "It is gamma. [2]")
        #expect(Citations.settle("It is alpha [1].", sources: sources) == "It is alpha [1].")
    }

    @Test("A page's text keeps its lines; what is not read is left out")
    func html() {
        let text = HTMLText.text(
            of: "<html><head><style>x{}</style></head>\n<body><nav>menu</nav>\n<h2>제목</h2>\n<p>A &amp; B &#44032;</p></body>")
        #expect(text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) } == ["## 제목", "A & B 가"])
    }

    @Test("The language of a question is the language of its answer")
    func language() {
        #expect(Language(of: "Python 파일 읽기") == .korean)
        #expect(Language(of: "How are files read?") == .english)
    }

    @Test(
        "A model's own word that it found nothing is understood",
        arguments: [
            "The documents do not say.", "I don’t know.", "The document doesn't mention parking.", "문서에서 찾지 못했습니다.", "모르겠습니다",
            "해당 내용은 문서에 나와 있지 않습니다.",
        ])
    func ignorance(answer: String) { #expect(Language(of: answer).admitsIgnorance(answer)) }

    @Test(
        "An answer is not taken for a confession of ignorance",
        arguments: ["개인 USB는 쓸 수 없습니다.", "Phones are not allowed on the tunnel.", "15자"])
    func knowledge(answer: String) { #expect(!Language(of: answer).admitsIgnorance(answer)) }

    @Test("An answer is in the language of its question, whatever it names")
    func spoken() {
        #expect(Language.english.isSpoken(in: "It takes place in 강릉.") && !Language.english.isSpoken(in: "강릉에서 합니다."))
        #expect(Language.korean.isSpoken(in: "`cp949`로 연다.") && !Language.korean.isSpoken(in: "Open it again."))
    }

    @Test("A number decides whom an answer cites, also across languages")
    func numbers() {
        let sources = [("At 03:10 the backup store was restarted, at 02:20 the daily job.", 1), ("일일 백업은 03:20에 시작한다.", 2)].map {
            Source(index: $1, file: "f", lines: [1, 1], heading: nil, text: $0, score: 1)
        }
        #expect(Citations.settle("It starts at 03:20.", sources: sources) == "It starts at 03:20. [2]")
    }

    @Test("Keywords are told from questions")
    func keywords() {
        for text in ["연차 이월", "Python 파일 읽기", "J-88", "deletion job schedule", "회식비 1인당 금액"] { #expect(AnswerPrompt.isKeywords(text)) }
        for text in ["pandas 써도 되나요", "당직 전화기 끝 번호가 뭐였지", "how long are answers cached", "연차는?", "What is J-88?", ""] {
            #expect(!AnswerPrompt.isKeywords(text))
        }
    }

    @Test("The model is asked a sentence: keywords become one, with the right particle; a question stays as it is")
    func asked() async throws {
        try await withScratchFolder { folder in
            let settings = try await Settings.test(folder: folder)
            func user(_ question: String) -> String? {
                AnswerPrompt(question: question, language: Language(of: question), sources: []).request(model: "m", settings: settings)
                    .messages.last?.content
            }
            #expect(user("연차 이월")?.hasSuffix("질문: 연차 이월은 어떻게 되나요?") == true)
            #expect(user("당직 교대")?.hasSuffix("질문: 당직 교대는 어떻게 되나요?") == true)
            #expect(user("deletion job")?.hasSuffix("Question: What do the documents say about “deletion job”?") == true)
            #expect(user("연차는 며칠인가요?")?.hasSuffix("질문: 연차는 며칠인가요?") == true)
        }
    }

    @Test("An invented number is held against an answer; numbers of the sources, the question and citations are not")
    func invented() {
        let source = Source(index: 12, file: "f", lines: [1, 1], heading: "2026", text: "72시간 뒤, 03:20에, 1,146개, 두 시간", score: 1)
        let prompt = AnswerPrompt(question: "300만 원은 누가?", language: .korean, sources: [source])
        for answer in ["172시간입니다.", "03:30에 합니다.", "1,147개입니다."] { #expect(prompt.objection(to: answer) != nil) }
        for answer in ["72시간 뒤입니다 [12].", "2026년 03:20에 합니다.", "300만 원은 유자가 승인합니다.", "2시간입니다."] {
            #expect(prompt.objection(to: answer) == nil)
        }
        #expect(prompt.objection(to: "After 72 hours.") != nil)
    }
}
