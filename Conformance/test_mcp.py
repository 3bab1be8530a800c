"""The tool server as the official MCP SDK for Python meets it: three ways to connect, over HTTP and over standard input and output."""

import contextlib
import http.server
import json
import pathlib
import re
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

import tool_calls
from stack import MARU, ROOT
from toolserver import ToolServer

MODES = ["legacy", "2026-07-28", "auto"]
WAYS = ["http", "stdio"]
VERSION = "2026-07-28"
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


@pytest.fixture(scope="module")
def server():
    running = ToolServer()
    (running.workspace / "README.md").write_text("# 안내\n\nA workspace.\n")
    subprocess.run(["git", "init", "-q", "-b", "main", str(running.workspace)], check=True)
    try:
        yield running.start()
    finally:
        running.stop()


@contextlib.asynccontextmanager
async def connected(server, way, mode, key=None, **options):
    if way == "stdio":
        environment = {**server.environment, **({"MARU_API_KEY": key} if key else {})}
        transport = stdio_client(StdioServerParameters(command=str(MARU), args=["mcp"], env=environment, cwd=str(ROOT)))
        async with Client(transport, mode=mode, **options) as client:
            yield client
        return
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        async with Client(streamable_http_client(server.url("mcp-server") + "/mcp", http_client=http), mode=mode, **options) as client:
            yield client


def on(server, way, mode, work, seconds=60, **options):
    async def run():
        async with connected(server, way, mode, **options) as client:
            with anyio.fail_after(seconds):
                return await work(client)

    return anyio.run(run)


def approve(server, request_id, key):
    request = urllib.request.Request(
        f"{server.url('mcp-server')}/api/approvals/{request_id}/approve",
        data=json.dumps({"reason": "seen"}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def pending(server, key):
    request = urllib.request.Request(
        f"{server.url('mcp-server')}/api/approvals/pending", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["pending_approvals"]


async def approve_what_waits(server):
    """Approves the one call that waits, as soon as it does."""
    while not (waiting := await anyio.to_thread.run_sync(pending, server, server.admin_key)):
        await anyio.sleep(0.05)
    await anyio.to_thread.run_sync(approve, server, waiting[0]["request_id"], server.admin_key)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", MODES)
def test_every_way_of_connecting_lists_reads_calls_and_completes(server, way, mode):
    async def work(client):
        tools = (await client.list_tools()).tools
        assert len(tools) == 15
        assert all(tool.input_schema["type"] == "object" and tool.title and tool.annotations for tool in tools)
        # The SDK holds every result below against its schema.
        assert all(tool.output_schema["type"] == "object" and tool.output_schema["properties"] for tool in tools)
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in tools]

        answer = await client.call_tool("read_file", {"path": "README.md"})
        assert not answer.is_error and "안내" in answer.content[0].text and "안내" in answer.structured_content["content"]
        for name in ("list_files", "git_status", "git_diff"):
            assert not (await client.call_tool(name, {})).is_error, name

        assert [str(resource.uri) for resource in (await client.list_resources()).resources] == ["project://files"]
        assert (await client.list_resource_templates()).resource_templates
        assert "README.md" in (await client.read_resource("project://files")).contents[0].text
        assert "안내" in (await client.read_resource("file://README.md")).contents[0].text
        with pytest.raises(MCPError):
            await client.read_resource("file://../../../etc/passwd")

        prompts = (await client.list_prompts()).prompts
        assert {prompt.name for prompt in prompts} == {"review_changes", "explain_file", "ask_documents"}
        assert "README.md" in (await client.get_prompt("explain_file", {"path": "README.md"})).messages[0].content.text
        reference = types.PromptReference(name="explain_file")
        assert "README.md" in (await client.complete(reference, {"name": "path", "value": "REA"})).completion.values

    on(server, way, mode, work)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", MODES)
def test_a_failure_is_a_result_and_an_unknown_tool_an_error(server, way, mode):
    async def work(client):
        assert (await client.call_tool("read_file", {"path": "no such file"})).is_error
        assert (await client.call_tool("read_file", {"path": "/etc/passwd"})).is_error
        denied = await client.call_tool("git_commit", {"message": "x"})
        assert denied.is_error and denied.meta["code"] == "permission_denied"
        with pytest.raises(MCPError):
            await client.call_tool("no_such_tool", {})

    on(server, way, mode, work)


@pytest.mark.parametrize("mode", ["2026-07-28", "auto"])
def test_a_modern_client_waits_for_the_approval_and_has_the_result(server, mode):
    async def work(client):
        async with anyio.create_task_group() as group:
            group.start_soon(approve_what_waits, server)
            name = f"approved-{mode}.txt"
            answer = await client.call_tool("write_file", {"path": name, "content": "written"})
        assert not answer.is_error, answer
        assert pathlib.Path(server.workspace / name).read_text() == "written"

    on(server, "http", mode, work)


def test_a_legacy_client_is_told_what_to_wait_for_and_calls_again(server):
    async def work(client):
        arguments = {"path": "legacy.txt", "content": "written"}
        first = await client.call_tool("write_file", arguments)
        facts = first.structured_content
        assert first.is_error and facts["approval_required"] and facts["status"] == "pending"
        assert not (server.workspace / "legacy.txt").exists()
        await anyio.to_thread.run_sync(approve, server, facts["request_id"], server.admin_key)
        again = await client.call_tool("write_file", arguments, meta={"maru/approval": facts["request_id"]})
        assert not again.is_error
        assert (server.workspace / "legacy.txt").read_text() == "written"
        assert (await client.call_tool("write_file", arguments)).structured_content["approval_required"], "an approval is good once"

    on(server, "http", "legacy", work)
    # What was asked anew is taken off the table for the tests that look at what waits.
    for waiting in pending(server, server.admin_key):
        approve(server, waiting["request_id"], server.admin_key)


def modern(server, method, params, key=None, capabilities=TASKS):
    """A request of the modern revision by hand: the SDK has no tasks of its own."""
    meta = {"io.modelcontextprotocol/protocolVersion": VERSION, "io.modelcontextprotocol/clientCapabilities": capabilities}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    headers = {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION, "Mcp-Method": method,
    }
    if name := params.get("name") or params.get("taskId"):
        headers["Mcp-Name"] = name
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(server.url("mcp-server") + "/mcp", data=json.dumps(body).encode(), headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def test_a_client_with_tasks_gets_a_task_that_runs_once_approved(server):
    call = {"name": "write_file", "arguments": {"path": "task.txt", "content": "written"}}
    made = modern(server, "tools/call", call)["result"]
    assert made["resultType"] == "task" and made["status"] == "working"
    assert modern(server, "tasks/get", {"taskId": made["taskId"]}, key=server.admin_key)["error"]["code"] == -32602
    anyio.run(approve_what_waits, server)

    async def finished():
        with anyio.fail_after(30):
            while (state := modern(server, "tasks/get", {"taskId": made["taskId"]})["result"])["status"] == "working":
                await anyio.sleep(0.1)
            return state

    state = anyio.run(finished)
    assert state["status"] == "completed" and not state["result"]["isError"], state
    assert (server.workspace / "task.txt").read_text() == "written"


def test_standard_output_of_the_command_carries_messages_alone(server):
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    result = server.run("mcp", text_input="".join(json.dumps(line) + "\n" for line in lines) + "nonsense\n", timeout=60)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert {answer["id"] for answer in answers} == {1, 2, None}
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)


# -- Every tool, and what may happen on the way of a call ----------------------------------------------------------------------------------


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"<!doctype html><title>A page</title><h1>A page</h1><p>It says little.</p>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def page():
    """A page for the tools that open one."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{site.server_port}"
        site.shutdown()


@pytest.fixture(scope="module")
def whole(page):
    """A server whose git folder can be committed to, and whose web tools may open the page."""
    running = ToolServer(WEB_ALLOWED_HOSTS=page)
    (running.workspace / "README.md").write_text("# A workspace\n")
    git = ["git", "-C", str(running.workspace)]
    for command in (["init", "-q", "-b", "main"], ["config", "user.name", "t"], ["config", "user.email", "t@localhost"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    try:
        running.keys = {}
        yield running.start()
    finally:
        running.stop()


def caller(server, *parts):
    """A caller of a test's own, whose limits nobody else uses; with its key."""
    name = "-".join(parts)
    if name not in server.keys:
        server.keys[name] = server.key(name, role="admin")
    return name, server.keys[name]


async def called(server, client, user, name, arguments):
    """Calls a tool, and has another administrator approve it where that is needed: by waiting if the client can, else by calling again."""

    async def approve_mine():
        while True:
            for waiting in await anyio.to_thread.run_sync(pending, server, server.admin_key):
                if waiting["user_id"] == user:
                    await anyio.to_thread.run_sync(approve, server, waiting["request_id"], server.admin_key)
            await anyio.sleep(0.05)

    async with anyio.create_task_group() as group:
        group.start_soon(approve_mine)
        answer = await client.call_tool(name, arguments)
        facts = answer.structured_content or {}
        if answer.is_error and facts.get("approval_required"):
            answer = await client.call_tool(name, arguments, meta={"maru/approval": await approved(server, facts["request_id"])})
        group.cancel_scope.cancel()
    return answer


async def approved(server, request):
    """Waits until a request does not wait any more."""
    while request in [waiting["request_id"] for waiting in await anyio.to_thread.run_sync(pending, server, server.admin_key)]:
        await anyio.sleep(0.05)
    return request


def test_every_tool_has_a_call_to_be_tried_with(whole):
    with whole.client(whole.admin_key) as admin:
        offered = {tool["name"] for tool in admin.get("/tools").json()["tools"]}
    assert offered and offered <= set(tool_calls.CALLS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", MODES)
def test_every_tool_is_called(whole, page, way, mode):
    user, key = caller(whole, "every", way, mode)

    async def work(client):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert len(tools) >= 13
        wrong = {}
        for name in tools:
            arguments = tool_calls.arguments(name, caller=user, page=f"http://{page}/")
            answer = await called(whole, client, user, name, arguments)
            expected = tool_calls.CALLS[name][1]
            # A failure is told in words, with a code, as a result that a model can read.
            is_clear = answer.is_error and answer.content and answer.content[0].text.strip() and (answer.meta or {}).get("code") and answer.meta["status"] >= 400
            good = {"done": not answer.is_error, "down": is_clear and answer.meta["status"] in (502, 503, 504), "told": is_clear or not answer.is_error}
            if not good[expected] or (not answer.is_error and not (answer.content and answer.structured_content is not None)):
                wrong[name] = answer
        assert not wrong, wrong

    on(whole, way, mode, work, key=key, seconds=180)
    assert (whole.workspace / "written.txt").read_text() == f"by {user}\n"
    assert (whole.workspace / "made" / "by" / user).is_dir()
    last = subprocess.run(["git", "-C", str(whole.workspace), "log", "-1", "--format=%s"], check=True, capture_output=True, text=True)
    assert last.stdout.strip() == f"by {user}"


@contextlib.contextmanager
def silent(port):
    """Something that listens where a service should be, and never says a word."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def outcomes(server, user):
    return [(row["tool_name"], row["status"]) for row in server.audit() if row["user_id"] == user and row["action"] == "execute"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", MODES)
def test_progress_is_told_and_a_call_that_is_taken_back_is_recorded_as_cancelled(whole, way, mode):
    user, key = caller(whole, "leaving", way, mode)
    heard = []

    async def work(client):
        begun = anyio.Event()

        async def listen(progress, total, message):
            heard.append((progress, total, message))
            begun.set()

        async with anyio.create_task_group() as group:

            async def call():
                await client.call_tool("rag_search", {"query": "anything"}, progress_callback=listen)

            group.start_soon(call)
            await begun.wait()
            group.cancel_scope.cancel()
        # The connection is as good as before.
        while not await anyio.to_thread.run_sync(outcomes, whole, user):
            await anyio.sleep(0.1)
        assert not (await client.call_tool("list_files", {})).is_error

    with silent(whole.ports["rag"]):
        on(whole, way, mode, work, key=key)
    assert heard[0][0] == pytest.approx(0.1) and heard[0][1] == 1 and heard[0][2]
    assert outcomes(whole, user) == [("rag_search", "cancelled"), ("list_files", "success")]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level,is_told", [("info", True), ("error", False)])
@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
def test_a_client_is_told_what_it_asked_to_be_told(whole, way, mode, level, is_told):
    _, key = caller(whole, "logging", way, mode)
    messages = []

    async def hear(message):
        messages.append(message)

    async def work(client):
        if mode == "legacy":
            await client.set_logging_level(level)
        assert (await client.call_tool("read_file", {"path": "no such file"})).is_error

    on(whole, way, mode, work, key=key, logging_callback=hear, **({} if mode == "legacy" else {"log_level": level}))
    assert [message.data["event"] for message in messages] == (["tool_failed"] if is_told else [])
    if is_told:
        assert messages[0].level == "warning" and messages[0].data["tool"] == "read_file" and messages[0].data["code"] == "not_found"


# MARK: Authorization


def test_401_leads_to_the_metadata_of_the_resource_and_that_promises_no_more_than_there_is(guarded):
    url = guarded.url("mcp-server")
    # A token of somebody else's, however well it is formed, is none of ours (RFC 8707); one in the address is none at all.
    foreign = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwOi8vZWxzZXdoZXJlIn0."
    for headers, path in [({}, "/mcp"), ({"Authorization": f"Bearer {foreign}"}, "/mcp"), ({}, f"/mcp?access_token={guarded.admin_key}")]:
        refused = httpx2.post(url + path, json={}, headers=headers)
        assert refused.status_code == 401, refused.text
        challenge = refused.headers["WWW-Authenticate"]
        assert challenge.startswith("Bearer ") and ("invalid_token" in challenge) == bool(headers)
    place = re.search(r'resource_metadata="([^"]+)"', challenge).group(1)
    assert place == url + "/.well-known/oauth-protected-resource/mcp"
    metadata = httpx2.get(place).json()
    assert metadata["resource"] == url + "/mcp" and metadata["bearer_methods_supported"] == ["header"]
    assert "authorization_servers" not in metadata
    assert httpx2.get(url + "/.well-known/oauth-protected-resource").json()["resource"] == url


def test_the_keys_of_the_stack_are_the_tokens(guarded):
    async def work(client):
        assert len((await client.list_tools()).tools) == 7
        assert (await client.call_tool("list_files", {})).structured_content["count"] == 0

    on(guarded, "http", "auto", work, key=guarded.key("gus", role="guest"))
