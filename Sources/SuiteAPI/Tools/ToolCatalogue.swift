import ServiceKit

/// The one list of tools; in the order of the docs.
public enum ToolCatalogue {
    public static let all: [ToolDescriptor] = [
        ToolDescriptor(
            name: "read_file", title: "Read a file",
            summary: "Reads a UTF-8 text file of the workspace.",
            arguments: [
                .string("path", "The file."),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .medium, resource: .file, action: .read,
            limit: .init(calls: 100, seconds: 60, burst: 20, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "write_file", title: "Write a file",
            summary:
                "Writes a UTF-8 text file of the workspace; folders that are missing are made, a file that is there is replaced whole.",
            arguments: [
                .string("path", "The file."),
                .string("content", "What the file is to hold.", maxBytes: 8_388_608),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .high, resource: .file, action: .write,
            limit: .init(calls: 20, seconds: 60, burst: 5, concurrent: 10), leastRole: .developer, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "list_files", title: "List a folder",
            summary: "Lists what lies in a folder of the workspace, sorted by name.",
            arguments: [
                .string("path", "The folder.", default: "."),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .low, resource: .file, action: .read,
            limit: .init(calls: 60, seconds: 60, burst: 10, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "execute_python", title: "Run Python",
            summary: "Runs Python code in a sandbox without network and answers with its output.",
            arguments: [
                .string("code", "The program.", maxBytes: 1_048_576),
                .integer("timeout", "Seconds the run may take.", default: 30, in: 1...300),
            ],
            sensitivity: .critical, resource: .tool, action: .execute,
            limit: .init(calls: 10, seconds: 60, burst: 2, concurrent: 5), leastRole: .developer, isOpenWorld: false,
            isIdempotent: false),
        ToolDescriptor(
            name: "execute_bash", title: "Run a shell command",
            summary: "Runs a shell command line in a sandbox without network; the workspace can be read.",
            arguments: [
                .string("command", "The command line.", maxBytes: 65_536),
                .integer("timeout", "Seconds the run may take.", default: 30, in: 1...300),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .critical, resource: .tool, action: .execute,
            limit: .init(calls: 10, seconds: 60, burst: 2, concurrent: 5), leastRole: .developer, isOpenWorld: false,
            isIdempotent: false),
        ToolDescriptor(
            name: "rag_search", title: "Ask the documents",
            summary: "Answers a question from the documents that were read in, and names the sources.",
            arguments: [
                .string("query", "The question.", maxBytes: 16_384),
                .string("collection", "The collection that is asked.", default: "default", maxBytes: 255),
            ],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "ai_chat", title: "Ask a model",
            summary: "Has the chat or the code model answer one message.",
            arguments: [
                .string("message", "What is asked.", maxBytes: 65_536),
                .string(
                    "model", "A model of the gateway; without one the message decides between chat and code.", optional: true, maxBytes: 255
                ),
            ],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: false),
        ToolDescriptor(
            name: "git_status", title: "Git status",
            summary: "Says what has changed in a working tree.",
            arguments: [
                .string("path", "The folder.", default: "."),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "git_log", title: "Git log",
            summary: "Lists the latest commits.",
            arguments: [
                .integer("max_count", "Commits at the most.", default: 10, in: 1...1_000),
                .flag("oneline", "One line a commit.", default: true),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "git_diff", title: "Git diff",
            summary: "Shows changes that are not committed.",
            arguments: [
                .string("file_path", "One file; all without one.", default: ""),
                .flag("staged", "What is staged instead of what is not.", default: false),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .medium, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .guest, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "git_add", title: "Git add",
            summary: "Stages files for the next commit.",
            arguments: [
                .string(
                    "file_paths", "Files, separated by spaces; a name with spaces stands in quotes. “.” for all.", default: ".",
                    maxBytes: 65_536),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .medium, resource: .tool, action: .write,
            limit: .init(calls: 20, seconds: 60, burst: 3, concurrent: 5), leastRole: .developer, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "git_commit", title: "Git commit",
            summary: "Commits what is staged.",
            arguments: [
                .string("message", "The commit's message.", maxBytes: 65_536),
                .flag("add_all", "Stage everything first.", default: false),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .high, resource: .tool, action: .write,
            limit: .init(calls: 10, seconds: 60, burst: 2, concurrent: 2), leastRole: .admin, isOpenWorld: false,
            isIdempotent: false),
        ToolDescriptor(
            name: "web_screenshot", title: "Take a screenshot",
            summary: "Draws a web page in a headless browser and answers with a PNG of it.",
            arguments: [
                .string(
                    "url", "Address of a page, http or https. Addresses of this machine and of private networks are refused.",
                    maxBytes: 8_192),
                .integer("width", "Pixels.", default: 1280, in: 16...4_096),
                .integer("height", "Pixels.", default: 720, in: 16...4_096),
            ],
            sensitivity: .low, resource: .tool, action: .execute,
            limit: .init(calls: 15, seconds: 60, burst: 3, concurrent: 10), leastRole: .developer, isOpenWorld: true,
            isIdempotent: true),
        ToolDescriptor(
            name: "web_scrape", title: "Read a web page",
            summary: "Reads elements of a web page by CSS selector.",
            arguments: [
                .string(
                    "url", "Address of a page, http or https. Addresses of this machine and of private networks are refused.",
                    maxBytes: 8_192),
                .string("selector", "CSS selector of the elements."),
                .string("attribute", "textContent, innerHTML, href, src, or any other attribute.", default: "textContent", maxBytes: 128),
            ],
            sensitivity: .medium, resource: .tool, action: .execute,
            limit: .init(calls: 15, seconds: 60, burst: 3, concurrent: 10), leastRole: .developer, isOpenWorld: true,
            isIdempotent: true),
        ToolDescriptor(
            name: "web_analyze_ui", title: "Analyse a page's look",
            summary: "Tells of a web page's styles, layout, colours and fonts.",
            arguments: [
                .string(
                    "url", "Address of a page, http or https. Addresses of this machine and of private networks are refused.",
                    maxBytes: 8_192)
            ],
            sensitivity: .low, resource: .tool, action: .execute,
            limit: .init(calls: 10, seconds: 60, burst: 2, concurrent: 10), leastRole: .developer, isOpenWorld: true,
            isIdempotent: true),
        ToolDescriptor(
            name: "web_automate", title: "Operate a web page",
            summary: "Performs actions on a web page: click, fill, wait, screenshot.",
            arguments: [
                .string(
                    "url", "Address of a page, http or https. Addresses of this machine and of private networks are refused.",
                    maxBytes: 8_192),
                .string("actions", "JSON list of {type: click|fill|wait|screenshot, selector, value}.", maxBytes: 65_536),
            ],
            sensitivity: .high, resource: .tool, action: .execute,
            limit: .init(calls: 5, seconds: 60, burst: 1, concurrent: 5), leastRole: .admin, isOpenWorld: true,
            isIdempotent: false),
        ToolDescriptor(
            name: "notion_create_page", title: "Create a Notion page",
            summary: "Creates a page in a Notion database.",
            arguments: [
                .string("database_id", "The database.", maxBytes: 64),
                .string("title", "The page's title."),
                .string("properties", "JSON object of more properties.", default: "{}", maxBytes: 65_536),
            ],
            sensitivity: .medium, resource: .tool, action: .write,
            limit: .init(calls: 10, seconds: 60, burst: 2, concurrent: 5), leastRole: .admin, isOpenWorld: true,
            isIdempotent: false),
        ToolDescriptor(
            name: "notion_search", title: "Search Notion",
            summary: "Searches pages or databases in Notion.",
            arguments: [
                .string("query", "What is looked for."),
                .choice("filter_type", "What kind of object is looked for.", of: ["page", "database"], default: "page"),
            ],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 20, seconds: 60, burst: 5, concurrent: 10), leastRole: .admin, isOpenWorld: true,
            isIdempotent: true),
        ToolDescriptor(
            name: "web_to_notion", title: "Save a page to Notion",
            summary: "Reads a web page and saves its title and first paragraphs as a Notion page.",
            arguments: [
                .string(
                    "url", "Address of a page, http or https. Addresses of this machine and of private networks are refused.",
                    maxBytes: 8_192),
                .string("database_id", "The database.", maxBytes: 64),
                .string("title_selector", "CSS selector of the title.", default: "h1"),
                .string("content_selector", "CSS selector of the paragraphs.", default: "p"),
            ],
            sensitivity: .medium, resource: .tool, action: .write,
            limit: .init(calls: 5, seconds: 60, burst: 1, concurrent: 5), leastRole: .admin, isOpenWorld: true,
            isIdempotent: false),
        ToolDescriptor(
            name: "switch_model", title: "Switch the model",
            summary: "Has the chat or the code service load another model.",
            arguments: [
                .choice("model_type", "Which one.", of: ["chat", "code"]),
                .string(
                    "model", "A name of `maru models list`; without one, the one that CHAT_MODEL or CODE_MODEL names.", optional: true,
                    maxBytes: 255),
            ],
            sensitivity: .high, resource: .tool, action: .execute,
            limit: .init(calls: 5, seconds: 300, burst: 1, concurrent: 2), leastRole: .admin, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "get_current_model", title: "Current models",
            summary: "Says which models are loaded.",
            arguments: [],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .developer, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "create_directory", title: "Make a folder",
            summary: "Makes a folder of the workspace, with those above it that are missing.",
            arguments: [
                .string("path", "The folder."),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .medium, resource: .file, action: .write,
            limit: .init(calls: 20, seconds: 60, burst: 5, concurrent: 10), leastRole: .admin, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "search_files", title: "Search files",
            summary: "Finds lines of the workspace's files by a regular expression, or files by name.",
            arguments: [
                .string("pattern", "A regular expression; with fixed, the text itself.", maxBytes: 1_024),
                .string("path", "The folder or file that is searched.", default: "."),
                .string("glob", "Only files whose path matches, for example *.swift.", optional: true, maxBytes: 256),
                .flag("fixed", "Take the pattern literally.", default: false),
                .flag("names", "Match names of files instead of lines.", default: false),
                .flag("case_sensitive", "Tell capitals from small letters.", default: true),
                .integer("max_results", "Results at the most.", default: 100, in: 1...1_000),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .low, resource: .file, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 10), leastRole: .admin, isOpenWorld: false,
            isIdempotent: true),
        ToolDescriptor(
            name: "run_command", title: "Run a program",
            summary: "Runs a program with arguments, without a shell, in a sandbox without network; the workspace can be read.",
            arguments: [
                .string("command", "The program, by name or path."),
                .strings("args", "Its arguments.", maxCount: 256),
                .integer("timeout", "Seconds the run may take.", default: 30, in: 1...300),
                .string("working_dir", "Folder that relative paths start from; the workspace without one.", optional: true),
            ],
            sensitivity: .critical, resource: .tool, action: .execute,
            limit: .init(calls: 10, seconds: 60, burst: 2, concurrent: 5), leastRole: .admin, isOpenWorld: false,
            isIdempotent: false),
        ToolDescriptor(
            name: "get_system_info", title: "System information",
            summary: "Says what this machine is and how loaded it is: processors, memory, disk, GPU, and how the services are.",
            arguments: [],
            sensitivity: .low, resource: .tool, action: .read,
            limit: .init(calls: 30, seconds: 60, burst: 5, concurrent: 20), leastRole: .admin, isOpenWorld: false,
            isIdempotent: true),
    ]

    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    /// The tool of that name, if there is one.
    public static subscript(name: String) -> ToolDescriptor? { byName[name] }

    /// The tools that a system role may call; roles made by an administrator are granted tools one by one.
    public static func tools(of role: Role) -> [ToolDescriptor] { all.filter { $0.leastRole <= role } }
}
