"""What an operator relies on: nothing listens elsewhere, keys lie in one place, nothing is left behind."""

import json
import os
import pathlib
import pty
import re
import select
import signal
import stat
import subprocess
import tempfile
import time

import httpx
import pytest

from stack import MARU, ROOT, SMALL, Stack


def listening(pids):
    """Addresses on which any of the processes listens, from the kernel's tables."""
    sockets = set()
    for pid in pids:
        for descriptor in pathlib.Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = os.readlink(descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                addresses.add(fields[1].split(":")[0])
    return addresses


def test_nothing_listens_but_on_loopback(stack):
    addresses = listening(stack.processes())
    assert addresses, "nothing listens at all"
    assert addresses <= {"0100007F", "00000000000000000000000001000000"}


def test_the_admin_key_lies_alone_in_its_file(stack):
    path = stack.data / "secrets" / "admin.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = path.read_text().strip()
    assert len(key) > 30
    for other in stack.data.rglob("*"):
        if other.is_file() and other != path and "engine" not in other.parts:
            assert key.encode() not in other.read_bytes(), other
    for pid in stack.processes():
        assert key.encode() not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        assert key.encode() not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()


def test_down_leaves_no_process(own_stack):
    short = own_stack()
    short.start("--only", "api-gateway,qdrant", "--no-wait")
    short.wait_ready("qdrant")
    assert short.processes() and short.held_ports()
    short.run("down")
    assert short.processes() == {}
    assert short.held_ports() == []
    for log in (short.data / "logs").glob("*.log"):
        assert "Fatal error" not in log.read_text(), log


def test_the_supervisor_has_a_session_of_its_own(own_stack):
    short = own_stack()
    short.start("--only", "qdrant", "--no-wait")
    supervisor = short.status()["pid"]
    assert os.getsid(supervisor) == supervisor
    short.run("down")


def test_after_kill_9_of_the_supervisor_nothing_stays(own_stack):
    short = own_stack()
    short.start("--only", "qdrant", "--no-wait")
    short.wait_ready("qdrant")
    short.kill(short.status()["pid"])
    short.run("down")
    assert short.processes() == {}
    short.start("--only", "qdrant", "--no-wait")
    short.wait_ready("qdrant")


def test_of_two_starts_at_once_one_starts_and_both_find_the_stack(own_stack):
    short = own_stack()
    both = [
        subprocess.Popen([str(MARU), "up", "--only", "qdrant"], env=short.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    told = [one.communicate(timeout=120)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert sum("runs already" in text for text in told) == 1, told
    supervisors = [command for command in short.processes().values() if " supervise " in command]
    assert len(supervisors) == 1, supervisors
    # Another one that is started by hand refuses to.
    third = short.run("supervise", "--only", "qdrant", check=False)
    assert third.returncode != 0 and "Another supervisor" in third.stderr
    short.run("down")
    assert short.processes() == {} and short.held_ports() == []


def test_down_ends_a_supervisor_whose_state_cannot_be_read(own_stack):
    short = own_stack()
    short.start("--only", "qdrant")
    (short.data / "run" / "supervisor.json").write_text("{")
    short.run("down")
    assert short.processes() == {} and short.held_ports() == []


def test_secrets_are_not_taken_from_a_command_line(own_stack):
    short = own_stack()
    refused = short.run("up", "--only", "qdrant", "--set", "QDRANT_API_KEY=hidden", check=False)
    assert refused.returncode != 0 and "secret" in refused.stderr and short.processes() == {}
    # What is not secret reaches the services, though not by the supervisor's command line.
    short.start("--only", "qdrant", "--set", "LOG_LEVEL=debug")
    assert not any("LOG_LEVEL" in command for command in short.processes().values())
    assert b"LOG_LEVEL=debug" in pathlib.Path(f"/proc/{short.recorded_pid('qdrant')}/environ").read_bytes()
    short.run("down")


def test_a_held_port_is_refused_with_its_holder_named(own_stack):
    short = own_stack()
    holder = subprocess.Popen(
        ["python3", "-m", "http.server", str(short.ports["qdrant"]), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while holder.poll() is None:
            try:
                short.get("qdrant", "/")
                break
            except OSError:
                time.sleep(0.05)
        refused = short.run("up", "--only", "qdrant", check=False)
        assert refused.returncode != 0
        assert str(short.ports["qdrant"]) in refused.stderr + refused.stdout
        assert str(holder.pid) in refused.stderr + refused.stdout
        assert short.processes() == {}
    finally:
        holder.kill()
        holder.wait()


# MARK: Keys


@pytest.fixture(scope="module")
def guarded():
    """A whole stack that trusts keys alone."""
    running = Stack(SECURITY_MODE="production", **SMALL)
    try:
        yield running.start()
    finally:
        running.stop()


OPEN = {"api-gateway": "/v1/models", "inference-chat": "/v1/models", "inference-code": "/v1/models", "embedding": "/models", "rag": "/collections", "qdrant": "/collections"}


@pytest.mark.parametrize("service", OPEN)
def test_in_production_nothing_is_told_to_who_has_no_key(guarded, service):
    key = (guarded.data / "secrets" / "admin.key").read_text().strip()
    for path in (OPEN[service], "/metrics"):
        url = guarded.url(service) + path
        for headers in ({}, {"authorization": "Bearer sk-anything"}, {"x-api-key": key + "0"}, {"x-user-id": "dev_user"}, {"x-user-id": "admin"}):
            refused = httpx.get(url, headers=headers)
            assert refused.status_code == 401, (path, headers, refused.text)
        for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
            assert httpx.get(url, headers=headers).status_code == 200, path
    # Whether it lives, and is ready, is no secret.
    assert guarded.get(service, "/livez")[0] == guarded.get(service, "/health")[0] == 200


def test_in_production_the_commands_find_the_key_and_the_services_theirs(guarded, tmp_path):
    (tmp_path / "bread.md").write_text("# Bread\n\nOur bread is baked at four in the morning.\n")
    assert json.loads(guarded.run("index", tmp_path, "--json").stdout)["indexed"] == 1
    answer = json.loads(guarded.run("ask", "--json", "--no-stream", "When is our bread baked?").stdout)
    # Found by embedding and vectors, and read by the model. Whether so small a model makes an answer of it is not what is asked here.
    assert answer["sources"][0]["file"].endswith("bread.md") and answer["usage"]["completion_tokens"] > 0
    assert guarded.run("chat", "--max-tokens", 5, "Say hello.").stdout.strip()
    key = guarded.data / "secrets" / "admin.key"
    hidden = key.rename(key.with_name("hidden.key"))
    try:
        without = guarded.run("chat", "--max-tokens", 5, "Say hello.", check=False)
        assert without.returncode != 0 and "key" in without.stderr
    finally:
        hidden.rename(key)


# MARK: Ctrl-C


class Foreground:
    """A command in a terminal's foreground: Ctrl-C reaches its whole process group, as the terminal sends it."""

    def __init__(self, stack, *arguments, is_terminal=False):
        self.errors = tempfile.TemporaryFile("w+")
        self.output, end = pty.openpty() if is_terminal else os.pipe()
        self.process = subprocess.Popen(
            [str(MARU), *map(str, arguments)],
            env=stack.environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=end, stderr=self.errors, start_new_session=True,
        )
        os.close(end)

    def first_output(self):
        """Waits until anything was printed: a reader at the other end of a pipe must see it when it comes."""
        assert select.select([self.output], [], [], 30)[0], "nothing was printed in 30 s"
        return os.read(self.output, 4_096)

    def interrupt(self):
        """Presses Ctrl-C; gives the exit code and everything that was said on standard error."""
        assert self.process.poll() is None, "it ended by itself"
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        finally:
            self.end()
        self.errors.seek(0)
        errors = self.errors.read()
        for word in ("Fatal error", "Traceback", "Stack dump", "CancellationError"):
            assert word not in errors, errors
        return self.process.returncode, errors

    def end(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdin.close()
        if self.output is not None:
            os.close(self.output)
            self.output = None


# Interrupted as any program is, or done with its own tidying.
INTERRUPTED = (-signal.SIGINT, 128 + signal.SIGINT, 0)


@pytest.mark.parametrize("service", ["qdrant", "embedding", "inference-chat", "api-gateway", "rag"])
def test_ctrl_c_ends_a_service_in_the_foreground_cleanly(own_stack, service):
    short = own_stack(**SMALL)
    command = Foreground(short, "serve", service)
    try:
        if service in ("api-gateway", "rag"):  # never ready without the others
            short.wait_alive(service)
        else:
            short.wait_ready(service)
        assert short.processes()
        code, _ = command.interrupt()
    finally:
        command.end()
    assert code == 0
    assert short.processes() == {} and short.held_ports() == []


def test_ctrl_c_ends_a_service_that_is_still_loading_its_model(own_stack):
    short = own_stack(**SMALL)
    command = Foreground(short, "serve", "inference-chat")
    try:
        short.wait_alive("inference-chat")
        code, _ = command.interrupt()
    finally:
        command.end()
    assert code == 0
    assert short.processes() == {} and short.held_ports() == []


@pytest.mark.parametrize("is_ready", [True, False], ids=["ready", "starting"])
def test_ctrl_c_ends_a_whole_stack_in_the_foreground_cleanly(own_stack, is_ready):
    short = own_stack(**SMALL)
    command = Foreground(short, "up", "--foreground")
    try:
        if is_ready:
            for service in ("rag", "api-gateway", "embedding", "qdrant", "inference-chat", "inference-code"):
                short.wait_ready(service)
            short.run("up")  # finds the stack, and waits until the supervisor has seen all this too
            assert short.run("status").returncode == 0
        else:
            short.wait_alive("inference-chat")
        code, _ = command.interrupt()
    finally:
        command.end()
    assert code == 0
    assert short.processes() == {} and short.held_ports() == []
    assert not short.status()["running"]
    for log in (short.data / "logs").glob("*.log"):
        assert "Fatal error" not in log.read_text(), log


@pytest.mark.parametrize("hangs_at,is_heard", [("--version", True), ("--help", True), ("--help", False)])
def test_a_service_that_is_told_to_end_while_it_tries_its_engine_leaves_nothing_of_it(own_stack, tmp_path, hangs_at, is_heard):
    engine, begun = tmp_path / "engine", tmp_path / "begun"
    engine.write_text(f'#!/bin/sh\n[ "$1" = "{hangs_at}" ] || exit 0\ntouch "{begun}"\nexec sleep 600\n')
    engine.chmod(0o755)
    short = own_stack(LLAMA_SERVER=engine)
    service = subprocess.Popen([str(MARU), "serve", "embedding"], env=short.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        while not begun.exists():
            assert time.monotonic() < deadline and service.poll() is None, "the engine is not tried"
            time.sleep(0.01)
        if not is_heard:
            service.stderr.close()  # as of a supervisor that ends
        service.terminate()  # as its supervisor does: it alone is told
        said = service.communicate(timeout=60)[1] if is_heard else ""
        service.wait(60)
    finally:
        service.kill()
        service.wait()
    assert short.processes() == {}
    assert service.returncode == 0 and "Error" not in said, said


def sandboxed(service):
    """What a process runs in a sandbox, by the control group, or is about to, by the file that it gives the run."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            command, group = (entry / "cmdline").read_bytes(), (entry / "cgroup").read_text()
        except OSError:
            continue
        if f"maru-sandbox-{service}-" in group or re.search(rb"/sandbox/%d-\d+\.status\0" % service, command):
            found[entry.name] = command
    return found


@pytest.mark.parametrize("after", [0, 0.1, 0.2, 0.4, 0.8])
def test_ctrl_c_while_the_sandbox_is_tried_leaves_nothing_of_it(own_stack, after):
    short = own_stack()
    command = Foreground(short, "serve", "mcp-server")
    runs = short.data / "run" / "sandbox"
    try:
        deadline = time.monotonic() + 60
        while not list(runs.glob("*.status")):
            assert time.monotonic() < deadline, "no run was begun"
            time.sleep(0.005)
        time.sleep(after)  # at whatever it is then
        code, _ = command.interrupt()
        held, left = short.held_ports(), sandboxed(command.process.pid)
    finally:
        command.end()
    assert code == 0
    assert (held, left, list(runs.glob("*.status"))) == ([], {}, [])
    assert short.processes() == {}


def test_ctrl_c_while_up_waits_leaves_the_stack_starting(own_stack):
    short = own_stack(**SMALL)
    command = Foreground(short, "up", "--only", "inference-chat,qdrant")
    try:
        command.first_output()  # one of the two is ready
        if command.process.poll() is None:
            code, _ = command.interrupt()
            assert code in INTERRUPTED
    finally:
        command.end()
    for service in ("inference-chat", "qdrant"):
        short.wait_ready(service)
    assert short.status()["running"]


def at_rest(stack):
    """No request is at work any more; the deadline only ends a run that would hang."""
    deadline = time.monotonic() + 60
    while any(stack.metric(service, "relay_requests_in_progress", service=service) for service in ("api-gateway", "inference-chat")):
        assert time.monotonic() < deadline, "something goes on working for nobody"
        time.sleep(0.05)


def test_ctrl_c_in_a_chat_stops_the_answer(stack):
    stack.run("chat", "--max-tokens", 1, "hi")
    for arguments, typed in ((["Write a very long story about a lighthouse."], None), ([], b"Write a very long story about a lighthouse.\n")):
        command = Foreground(stack, "chat", "--max-tokens", 2_000, *arguments)
        try:
            if typed:
                command.process.stdin.write(typed)
                command.process.stdin.flush()
            assert command.first_output()
            code, errors = command.interrupt()
        finally:
            command.end()
        assert code in INTERRUPTED and errors == ""
        at_rest(stack)


def test_ctrl_c_at_the_prompt_of_a_chat_ends_it(stack):
    command = Foreground(stack, "chat", "--max-tokens", 1)
    try:
        command.process.stdin.write(b"hi\n")
        command.process.stdin.flush()
        command.first_output()
        code, errors = command.interrupt()
    finally:
        command.end()
    assert code in INTERRUPTED and errors == ""


def test_ctrl_c_in_a_question_stops_the_answer(stack, tmp_path):
    (tmp_path / "bread.md").write_text("# Bread\n\n" + "Our bread is baked at four in the morning by the old baker. It is made of rye, water, salt and time.\n" * 5)
    stack.run("index", tmp_path, "--collection", "interrupted")
    try:
        command = Foreground(stack, "ask", "--collection", "interrupted", "When is our bread baked, by whom and of what? Answer at great length.")
        try:
            assert command.first_output()
            if command.process.poll() is None:
                code, errors = command.interrupt()
                assert code in INTERRUPTED and errors == ""
        finally:
            command.end()
        at_rest(stack)
        assert json.loads(stack.run("ask", "--json", "--collection", "interrupted", "When is our bread baked?").stdout)["sources"]
    finally:
        httpx.delete(stack.url("rag") + "/collections/interrupted", timeout=60)


def test_ctrl_c_ends_following_the_logs(stack):
    command = Foreground(stack, "logs", "-f", is_terminal=True)
    try:
        assert command.first_output()
        code, errors = command.interrupt()
    finally:
        command.end()
    assert code in INTERRUPTED and errors == ""
    assert stack.run("status").returncode == 0


def test_followed_logs_show_their_lines_through_a_pipe_as_they_come(stack):
    command = Foreground(stack, "logs", "-f", "--raw", "-n", "1")
    try:
        assert b'"timestamp"' in command.first_output()
    finally:
        command.end()


def test_ctrl_c_in_indexing_stops_the_work_and_what_is_there_can_be_searched(stack, tmp_path):
    words = "harbour lantern granite willow copper thunder meadow orchard falcon river ember saddle velvet cedar anchor".split()
    for n in range(400):
        turned = words[n % len(words) :] + words[: n % len(words)]
        (tmp_path / f"{n:03}.md").write_text(f"# Paper {n}\n\n" + " ".join(f"{word} {n * 7 + k}" for k, word in enumerate(turned * 4)) + "\n")

    def documents():
        told = httpx.get(stack.url("rag") + "/collections", timeout=60).json()["collections"]
        return next((entry["documents"] for entry in told if entry["name"] == "half"), 0)

    try:
        command = Foreground(stack, "index", tmp_path, "--collection", "half")
        try:
            while documents() < 3:
                assert command.process.poll() is None, "it ended by itself"
                time.sleep(0.05)
            code, errors = command.interrupt()
        finally:
            command.end()
        assert code in INTERRUPTED and errors == ""

        # It comes to rest before everything is read: nobody waits for it any more.
        seen, deadline = -1, time.monotonic() + 120
        while (now := documents()) != seen:
            assert time.monotonic() < deadline
            seen = now
            time.sleep(2)
        assert 3 <= seen < 400

        # What is told to be there is there, in both stores.
        told = httpx.get(stack.url("rag") + "/collections", timeout=60).json()["collections"]
        passages = next(entry["passages"] for entry in told if entry["name"] == "half")
        assert stack.get("qdrant", "/collections/half")[1]["result"]["points_count"] == passages
        for path in sorted(tmp_path.glob("*.md"))[5:]:
            path.unlink()
        again = json.loads(stack.run("index", tmp_path, "--collection", "half", "--json").stdout)
        assert (again["files"], again["failed"]) == (5, [])
        assert documents() == 5
        assert stack.get("qdrant", "/collections/half")[1]["result"]["points_count"] == again["chunks"]
    finally:
        httpx.delete(stack.url("rag") + "/collections/half", timeout=60)
