"""Runs sandbox_cases.py: hostile programs in the sandbox of a tool server, and looks outside whether they did what they wanted."""

import os
import pathlib
import shutil
import socket
import subprocess

import pytest

import sandbox_cases
from stack import MARU
from toolserver import ToolServer

CANARY = "canary-of-the-sandbox"
# Control groups that others on this machine have, or left when they were killed.
foreign = set()


@pytest.fixture(scope="module")
def tools():
    # What programs can reach is tried; who may run them, and how often, has tests of its own.
    server = ToolServer(RATE_LIMIT_ENABLED="false", APPROVAL_WORKFLOW_ENABLED="false", SANDBOX_MAX_CPU_TIME="3")
    home = server.workspace
    server.workspace = home / "space"
    server.environment["PROJECT_ROOT"] = str(server.workspace)
    for path, text in {
        "canary": CANARY, "space/readme.txt": "hello", "space/.env": CANARY, "space/deep/er/id_rsa": CANARY, "space/.ssh/id": CANARY,
        "space/.git/config": CANARY,
    }.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(text)
    os.link(home / "canary", server.workspace / "notes.txt")
    os.symlink(home / "canary", server.workspace / "link")
    (server.workspace / "linked").mkdir()
    os.symlink(home / "canary", server.workspace / "linked" / ".env")
    odd = os.path.join(os.fsencode(server.workspace), b"odd", b"caf\xe9")
    os.makedirs(odd)
    with open(os.path.join(odd, b".env"), "w") as file:
        file.write(CANARY)
    os.mkfifo(server.workspace / "pipe", 0o666)
    os.chmod(server.workspace / "pipe", 0o666)
    reader = os.open(server.workspace / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    for path in (home, server.workspace):
        os.chmod(path, 0o755)
    listener, service = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    listener.bind("\0maru-hostile")
    service.bind(str(server.workspace / "service.sock"))
    os.chmod(server.workspace / "service.sock", 0o777)
    for listening in (listener, service):
        listening.listen()
    foreign.update(groups())
    try:
        yield server.start()
    finally:
        listener.close()
        service.close()
        os.close(reader)
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def placed(text, tools):
    """The case with the places of this run; braces of Python and of the shell stay."""
    values = {
        "data": tools.data, "root": tools.workspace, "outside": tools.workspace.parent, "name": tools.workspace.name,
        "top": tools.workspace.parts[1], "port": tools.ports["mcp-server"], "pid": tools.process.pid, "abstract": "maru-hostile",
    }
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def sandboxes():
    """Processes of sandboxes on this machine."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if line[0] in (b"bwrap", b"sleep") and (b"--json-status-fd" in line or line[1:2] in ([b"1111"], [b"1112"], [b"1113"], [b"1000"])):
            found.append(line)
    return found


def groups():
    """Control groups of runs, but for those that were there before the server."""
    found = {path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path).startswith("maru-sandbox-")}
    return sorted(found - foreign)


def leftovers(tools):
    mounts = pathlib.Path("/proc/mounts").read_text().count("\n")
    return {
        "processes": len(sandboxes()), "groups": len(groups()), "mounts": mounts,
        "files": len(list((tools.data / "run" / "sandbox").glob("*.status"))),
    }


@pytest.mark.parametrize("name,tool,program,holds", sandbox_cases.CASES, ids=[case[0] for case in sandbox_cases.CASES])
def test_nothing_leaves_the_sandbox(tools, figure, name, tool, program, holds):
    figure("S8")
    arguments = {"code" if tool == "execute_python" else "command": placed(program, tools), "timeout": holds.get("seconds", 15)}
    answer = tools.call(tool, arguments, key=tools.admin_key)
    assert answer.status_code == 200, answer.text
    result = answer.json()["result"]
    text = result["stdout"] + result["stderr"]
    assert "ESCAPED" not in result["stdout"] and CANARY not in text, text
    if "limit" in holds:
        limits = holds["limit"] if isinstance(holds["limit"], list) else [holds["limit"]]
        assert result["limit"] in limits and result["success"] is False, text[-300:]
        # It says which limit ended it.
        assert any(word in result["stderr"] for word in ("timed out", "SANDBOX_MAX")), result["stderr"][-300:]
    if holds.get("failed"):
        assert result["success"] is False, text[-300:]
    if "status" in holds:
        assert result["returncode"] == holds["status"], text[-300:]
    if "out" in holds:
        assert holds["out"] in result["stdout"]
    assert tools.process.poll() is None, "the server lives on"
    assert (tools.workspace / "readme.txt").read_text() == "hello" and not (tools.workspace / "new").exists()
    assert sandboxes() == [] and groups() == []


def test_what_is_no_secret_can_be_read_and_git_works_there(tools):
    answer = tools.call("execute_bash", {"command": "cat readme.txt; pwd; ls"}, key=tools.admin_key).json()["result"]
    assert answer["stdout"].startswith("hello" + str(tools.workspace)), answer
    answer = tools.call("run_command", {"command": "wc", "args": ["-c", "readme.txt"]}, key=tools.admin_key).json()["result"]
    assert answer["stdout"].split() == ["5", "readme.txt"], answer


def test_a_thousand_runs_leave_nothing(tools, figure):
    before = leftovers(tools)
    done = subprocess.run(
        [str(MARU), "sandbox", "measure", "--runs", "1000", "--only-sandbox"], env=tools.environment, capture_output=True, text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert leftovers(tools) == before
    figure("S8", cases=0, note="1,000 runs left no process, mount, file or control group")


def test_a_cancelled_run_is_dead_at_once(tools):
    with tools.client(tools.admin_key, timeout=2) as client:
        with pytest.raises(Exception):
            client.post("/tools/execute_bash/call", json={"command": "setsid sleep 1111 & sleep 1111", "timeout": 60})
    for _ in range(50):
        if sandboxes() == [] and groups() == []:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert sandboxes() == [] and groups() == []


def test_a_server_that_is_killed_takes_its_runs_with_it(tools):
    with tools.client(tools.admin_key, timeout=2) as client:
        with pytest.raises(Exception):
            client.post("/tools/execute_bash/call", json={"command": "setsid sleep 1112 & sleep 1112", "timeout": 60})
    tools.kill_hard()
    for _ in range(50):
        if sandboxes() == []:
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert sandboxes() == []
    tools.start()
    # What the dead one could not remove is removed by the next, as it makes itself ready.
    assert tools.call("execute_python", {"code": "print(6 * 7)"}, key=tools.admin_key).json()["result"]["stdout"] == "42\n"
    assert groups() == []
