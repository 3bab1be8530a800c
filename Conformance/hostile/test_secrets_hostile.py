"""S10: secrets of every kind go through the server, and are looked for wherever it writes, shows or keeps something."""

import pathlib
import threading
import time
import uuid

import httpx
import pytest

from stack import free_ports
from toolserver import Services, ToolServer


def word(name):
    return f"canary{name}{uuid.uuid4().hex[:12]}"


# Secrets of settings, of requests and of files. Each is looked for as it stands.
SECRETS = {name: word(name) for name in ["notion", "smtp", "password", "option", "address", "bearer", "basic", "cookie", "query", "body", "written", "longer", "read", "denied", "staged", "filled"]}


@pytest.fixture(scope="module")
def told():
    """Everything that is written, shown or kept while a server is used, by the place where it is found; and the secrets that must not be there."""
    server = ToolServer(
        LOG_LEVEL="debug", NOTION_TOKEN="ntn_" + SECRETS["notion"], NOTION_API_URL=f"http://127.0.0.1:{free_ports(1)[0]}",
        # Mail cannot be sent, so that failures are told of too.
        NOTIFICATION_ENABLED="true", SMTP_HOST="127.0.0.1", SMTP_PORT=free_ports(1)[0], SMTP_USER="mailer", SMTP_PASSWORD=SECRETS["smtp"], SMTP_USE_TLS="false",
    )
    (server.workspace / "notes.txt").write_text(f"api_key = {SECRETS['read']}\n")
    (server.workspace / ".env").write_text(f"KEY={SECRETS['denied']}\n")
    commands, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    if (line.parent / "stat").read_text().rpartition(")")[2].split()[1] == str(server.process.pid) or line.parent.name == str(server.process.pid):
                        commands.add(line.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    try:
        server.start()
        watcher.start()
        keys = {"admin": server.admin_key, "service": (server.data / "secrets" / "service.key").read_text().strip(), "audit": (server.data / "secrets" / "audit.key").read_text().strip()}
        keys |= {role: server.key(f"{role}-secret", role=role) for role in ("guest", "developer")}
        refusals = used(server, keys)
        done.set()
        watcher.join()
        found = {"the errors' bodies": "\n".join(refusals), "command lines": "\n".join(commands), **shown(server)}
        server.stop_process()
        found["the log"] = server.log.read_text()
        found["the audit log as exported"] = server.run("audit", "export").stdout
        for path in server.data.rglob("*"):
            # Keys lie in files of their own; what is asked for lies with its request until it is decided.
            if path.is_file() and "secrets" not in path.parts and path != server.log:
                found[f"the file {path.relative_to(server.data)}"] = path.read_bytes().decode(errors="replace")
        yield found, {**SECRETS, **{f"the key of {name}": key for name, key in keys.items()}}
    finally:
        done.set()
        server.stop()


def used(server, keys):
    """Uses the server with secrets in every place that a request has, and gives the bodies of all errors."""
    bodies = []
    calls = [
        ("read_file", {"path": "notes.txt"}),
        ("read_file", {"path": ".env"}),
        ("search_files", {"pattern": "api_key"}),
        ("ai_chat", {"message": f"log in with password={SECRETS['password']}"}),
        ("rag_search", {"query": f"curl --password {SECRETS['option']} https://me:{SECRETS['address']}@example.com"}),
        ("git_log", {"working_dir": f"token={SECRETS['query']}"}),
        ("write_file", {"path": "a.txt", "content": SECRETS["written"]}),
        ("write_file", {"path": "b.txt", "content": SECRETS["longer"] * 200}),
        ("write_file", {"path": 7, "content": SECRETS["written"]}),
        ("write_file", {"path": "../c.txt", "content": SECRETS["written"]}),
        ("git_commit", {"message": f"secret: {SECRETS['staged']}"}),
        ("web_automate", {"url": "https://example.com", "actions": f'[{{"type":"fill","selector":"#p","value":"{SECRETS["filled"]}"}}]'}),
        ("notion_search", {"query": "x"}),
        ("no_such_tool", {"password": SECRETS["password"]}),
    ]
    headers = [
        {},
        {"Authorization": f"Bearer {keys['guest']}"},
        {"Authorization": f"Bearer {keys['developer']}"},
        {"X-API-Key": keys["admin"]},
        {"Authorization": f"Bearer {keys['service']}"},
        {"Authorization": f"Bearer maru_{SECRETS['bearer']}"},
        {"Authorization": f"Basic {SECRETS['basic']}", "Cookie": f"session={SECRETS['cookie']}"},
    ]
    with httpx.Client(base_url=server.url("mcp-server"), timeout=60, verify=False) as client:
        for one in headers:
            for tool, arguments in calls:
                answer = client.post(f"/tools/{tool}/call", json=arguments, headers=one)
                if answer.status_code >= 400:
                    bodies.append(answer.text)
            for answer in [
                client.get("/tools", params={"api_key": SECRETS["query"]}, headers=one),
                client.get(f"/nowhere/{SECRETS['query'][:0]}", params={"token": SECRETS["query"]}, headers=one),
                client.post("/tools/read_file/call", content=f'{{"password": "{SECRETS["body"]}"', headers={**one, "Content-Type": "application/json"}),
                client.post("/tools/read_file/call", json={"path": {"password": SECRETS["body"]}}, headers=one),
                client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"token": SECRETS["body"]}}, headers={**one, "Accept": "application/json"}),
            ]:
                if answer.status_code >= 400:
                    bodies.append(answer.text)
    # A call that was approved leaves its records too.
    answer = server.approved("write_file", {"path": "d.txt", "content": SECRETS["written"]}, key=keys["developer"])
    assert answer.status_code == 200, answer.text
    return bodies


def shown(server):
    """What is shown to whoever may see it."""
    found = {}
    with server.client(server.admin_key) as main, server.client(server.admin_key, base="administration") as administration:
        for client, paths in (
            (main, ["/health", "/metrics", "/tools"]),
            (administration, ["/health", "/metrics", "/security/stats", "/security/users", "/security/keys", "/security/settings", "/security/logs/audit?limit=1000"]),
        ):
            for path in paths:
                answer = client.get(path)
                assert answer.status_code in (200, 503), answer.text
                found[f"{client.base_url.port}{path}"] = answer.text
    for command in (["config"], ["config", "--json"], ["key", "list"], ["user", "list"], ["audit", "list", "--limit", "1000"]):
        found[f"maru {' '.join(command)}"] = server.run(*command).stdout
    return found


def test_no_secret_is_found_anywhere(told, figure):
    places, secrets = told
    hits = []
    for place, text in places.items():
        # What somebody is to approve is shown to the approver in full, and lies in the same database.
        in_database = place.startswith("the file sqlite")
        for name, secret in secrets.items():
            if secret in text and not (in_database and name in ("written", "longer", "staged", "filled")):
                hits.append((name, place, text[max(0, text.index(secret) - 120) : text.index(secret) + 60]))
    figure("S10", cases=len(places) * len(secrets), through=len(hits), note=f"{len(secrets)} secrets looked for in {len(places)} places")
    # The search finds what is there.
    assert "developer-secret" in places["the audit log as exported"] and any("mcp-server" in command for command in places["command lines"].split("\n"))
    assert places["the errors' bodies"].count("detail") > 20 and "listening" in places["the log"]
    assert not hits, hits


def test_no_service_logs_the_keys_that_it_holds(figure):
    qdrant = word("qdrant")
    services = Services(LOG_LEVEL="debug", SECURITY_MODE="production", QDRANT_API_KEY=qdrant, NOTION_TOKEN="ntn_" + SECRETS["notion"])
    try:
        services.start()
        keys = [services.admin_key, (services.data / "secrets" / "service.key").read_text().strip(), qdrant, SECRETS["notion"]]
        for service in services.ALIVE:
            with services.client(services.admin_key, base=service) as client:
                client.get("/metrics")
                client.get("/health")
        services.run("down")
        logs = {path.name: path.read_text() for path in services.data.rglob("*.log")}
        hits = [(name, key) for name, text in logs.items() for key in keys if key in text]
        figure("S10", cases=len(logs) * len(keys), through=len(hits))
        assert len(logs) >= 4 and all(logs.values()) and not hits, hits
    finally:
        services.stop()
