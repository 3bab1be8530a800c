import ServiceKit

/// A field of a tool's result.
struct ResultField: Sendable {
    indirect enum Kind: Sendable {
        case text, integer, number, flag, object
        case list(Kind)
        case orNull(Kind)

        var schema: JSONValue {
            switch self {
            case .text: ["type": "string"]
            case .integer: ["type": "integer"]
            case .number: ["type": "number"]
            case .flag: ["type": "boolean"]
            case .object: ["type": "object"]
            case .list(let kind): ["type": "array", "items": kind.schema]
            case .orNull(let kind): ["anyOf": [kind.schema, ["type": "null"]]]
            }
        }
    }

    let name: String
    let kind: Kind
    var isRequired = true

    init(_ name: String, _ kind: Kind, isRequired: Bool = true) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
    }

    /// The same field, which may be left out.
    static func maybe(_ name: String, _ kind: Kind) -> ResultField { ResultField(name, kind, isRequired: false) }
}

extension ToolCatalogue {
    /// What each tool answers (the result objects of the reference system, and what this stack adds to them). Fields that are not listed may
    /// come with later builds.
    static let results: [String: [ResultField]] = {
        let file: [ResultField] = [.init("path", .text), .init("created", .flag), .init("success", .flag)]
        let execution: [ResultField] = [
            .init("command", .text), .init("stdout", .text), .init("stderr", .text), .init("returncode", .integer),
            .init("success", .flag), .maybe("truncated", .flag),
        ]
        let run =
            execution + [.init("limit", .orNull(.text)), .init("execution_time", .number), .init("sandbox_type", .text)]
        let page: [ResultField] = [.init("page_id", .text), .init("url", .text), .init("title", .text), .init("status", .text)]
        return [
            "read_file": [
                .init("path", .text), .init("content", .text), .init("size", .integer), .init("type", .text), .maybe("bytes", .integer),
                .maybe("byte_order_mark", .flag),
            ],
            "write_file": file + [.init("size", .integer), .maybe("bytes", .integer)],
            "list_files": [
                .init("path", .text), .init("files", .list(.text)), .init("count", .integer), .maybe("entries", .list(.object)),
                .maybe("truncated", .flag),
            ],
            "create_directory": file,
            "search_files": [
                .init("pattern", .text), .init("path", .text), .init("matches", .list(.object)), .init("count", .integer),
                .init("truncated", .flag), .maybe("files_searched", .integer), .maybe("seconds", .number),
            ],
            "execute_python": run, "execute_bash": run, "run_command": run,
            "git_status": execution, "git_log": execution, "git_diff": execution, "git_add": execution, "git_commit": execution,
            "rag_search": [.init("query", .text), .init("response", .text), .init("sources", .list(.text))],
            "ai_chat": [.init("model", .text), .init("message", .text), .init("response", .text)],
            "web_screenshot": [
                .init("url", .text), .maybe("screenshot_base64", .text), .init("width", .integer), .init("height", .integer),
                .maybe("timestamp", .text),
            ],
            "web_scrape": [
                .init("url", .text), .init("selector", .text), .init("data", .list(.text)), .init("count", .integer),
                .init("truncated", .flag),
            ],
            "web_analyze_ui": [
                .init("url", .text), .init("title", .text), .maybe("css_styles", .object), .maybe("layout_info", .object),
                .maybe("color_scheme", .list(.text)), .maybe("fonts", .list(.text)),
            ],
            "web_automate": [.init("url", .text), .init("count", .integer), .init("actions", .list(.object))],
            "notion_create_page": page,
            "web_to_notion": page + [.init("paragraphs_found", .integer), .init("paragraphs_saved", .integer), .init("is_cut", .flag)],
            "notion_search": [.init("query", .text), .init("results", .list(.object)), .init("count", .integer)],
            "switch_model": [
                .init("success", .flag), .init("message", .text), .maybe("current_model", .orNull(.text)),
                .maybe("switch_time_seconds", .number),
            ],
            "get_current_model": [
                .init("phase", .text), .maybe("chat_model", .orNull(.text)), .maybe("code_model", .orNull(.text)),
                .maybe("service_chat", .text), .maybe("service_code", .text),
            ],
            "get_system_info": [
                .init("os", .text), .init("architecture", .text), .init("cpu_count", .integer),
                .init("load_average", .orNull(.list(.number))),
                .init("memory_total_bytes", .orNull(.integer)), .init("memory_available_bytes", .orNull(.integer)),
                .init("disk_total_bytes", .orNull(.integer)), .init("disk_free_bytes", .orNull(.integer)),
                .init("uptime_seconds", .orNull(.integer)), .init("version", .text), .init("commit", .text), .init("gpus", .list(.object)),
                .init("services", .list(.object)),
            ],
        ]
    }()
}

extension ToolDescriptor {
    /// JSON Schema (2020-12) of the result. One of a tool whose calls may have to be approved also lets through what is told of an approval
    /// that is waited for: clients check whatever object comes.
    public var outputSchema: JSONValue {
        let fields = ToolCatalogue.results[name] ?? []
        var properties = Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.kind.schema) })
        let required = JSONValue.array(fields.filter(\.isRequired).map { .string($0.name) })
        guard needsApproval else { return ["type": "object", "properties": .object(properties), "required": required] }
        let told: [ResultField] = [
            .init("approval_required", .flag), .init("request_id", .text), .init("expires_at", .text), .init("status", .text),
        ]
        properties.merge(told.map { ($0.name, $0.kind.schema) }) { own, _ in own }
        return [
            "type": "object", "properties": .object(properties),
            "anyOf": [["required": required], ["required": .array(told.map { .string($0.name) })]],
        ]
    }
}
