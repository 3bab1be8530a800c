import Suite
import SuiteAPI

/// What the model is told. The instructions come first and never change, so that the engine has them read already; the passages are
/// few, since a small machine reads slowly.
struct AnswerPrompt: Sendable {
    let question: String
    let language: Language
    let sources: [Source]

    func request(model: String, settings: Settings) -> ChatRequest {
        let passages = sources.map { "[\($0.index)] \($0.file)\($0.heading.map { " — \($0)" } ?? "")\n\($0.text)" }.joined(
            separator: "\n\n")
        let (system, user) =
            switch language {
            case .korean:
                (
                    "당신은 문서를 보고 답하는 도우미입니다. 아래 문서에 있는 사실만으로 한국어로 한두 문장으로 짧게 답하고, 근거가 된 문서의 번호를 [1]처럼 문장 끝에 붙이세요. 문서에 답이 없으면 \"문서에서 찾지 못했습니다.\"라고만 답하세요.",
                    "문서:\n\(passages)\n\n질문: \(question)\n한국어로 답하세요."
                )
            case .english:
                (
                    "You answer from documents. Use only facts of the documents below, in one or two short sentences, and put the number of the document you used at the end like [1]. If the answer is not there, say only: \"The documents do not say.\"",
                    "Documents:\n\(passages)\n\nQuestion: \(question)\nAnswer in English."
                )
            }
        return ChatRequest(
            model: model, messages: [.init(role: "system", content: system), .init(role: "user", content: user)],
            maxTokens: settings[SettingKeys.ragLLMMaxTokens], temperature: settings[SettingKeys.ragLLMTemperature])
    }
}
