"""The tool server as the official MCP SDK for Python meets it: three ways to connect, over HTTP and over standard input and output."""

import contextlib
import json
import pathlib
import subprocess
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


def on(server, way, mode, work, **options):
    async def run():
        async with connected(server, way, mode, **options) as client:
            with anyio.fail_after(60):
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
        assert len(tools) == 13  # of a developer's 15, those that this build has
        assert all(tool.input_schema["type"] == "object" and tool.title and tool.annotations for tool in tools)
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
