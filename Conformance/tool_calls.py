"""What every tool is called with by a client, and what comes of it where the services beside the tool server do not run."""

# done: the call succeeds. down: the service that it asks does not run, and the caller is told so. told: it succeeds where this machine has
# what it needs (a token, a service), and else the caller is told what is missing.
CALLS = {
    "read_file": ({"path": "README.md"}, "done"),
    "write_file": ({"path": "written.txt", "content": "by {caller}\n"}, "done"),
    "list_files": ({}, "done"),
    "execute_python": ({"code": "print(6 * 7)"}, "done"),
    "execute_bash": ({"command": "echo $((6 * 7))"}, "done"),
    "rag_search": ({"query": "When is our bread baked?"}, "down"),
    "ai_chat": ({"message": "hello"}, "down"),
    "git_status": ({}, "done"),
    "git_log": ({"max_count": 3}, "done"),
    "git_diff": ({}, "done"),
    "git_add": ({"file_paths": "."}, "done"),
    "git_commit": ({"message": "by {caller}"}, "done"),
    "web_screenshot": ({"url": "{page}", "width": 320, "height": 240}, "done"),
    "web_scrape": ({"url": "{page}", "selector": "h1"}, "done"),
    "web_analyze_ui": ({"url": "{page}"}, "done"),
    "web_automate": ({"url": "{page}", "actions": '[{"type": "wait", "value": "0"}]'}, "done"),
    "notion_create_page": ({"database_id": "0" * 32, "title": "A page"}, "told"),
    "notion_search": ({"query": "a page"}, "told"),
    "web_to_notion": ({"url": "{page}", "database_id": "0" * 32}, "told"),
    "switch_model": ({"model_type": "chat"}, "told"),
    "get_current_model": ({}, "done"),
    "create_directory": ({"path": "made/by/{caller}"}, "done"),
    "search_files": ({"pattern": "workspace"}, "done"),
    "run_command": ({"command": "echo", "args": ["42"]}, "done"),
    "get_system_info": ({}, "done"),
}


def arguments(tool, **places):
    """The arguments of a call, with what stands for the caller and a page filled in."""
    filled = {}
    for name, value in CALLS[tool][0].items():
        for place, text in places.items():
            value = value.replace("{" + place + "}", text) if isinstance(value, str) else value
        filled[name] = value
    return filled
