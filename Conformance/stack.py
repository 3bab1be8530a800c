"""A stack of its own: free ports, a scratch data folder, started and stopped by the commands a user has."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARU = pathlib.Path(os.environ.get("MARU", ROOT / ".build" / "debug" / "maru"))
# Settings of a stack that needs a model, and a quick one.
SMALL = {"CHAT_MODEL": "smollm2-135m", "CODE_MODEL": "smollm2-135m"}
PORTS = {
    "api-gateway": "API_GATEWAY_PORT",
    "inference-chat": "INFERENCE_CHAT_PORT",
    "inference-code": "INFERENCE_CODE_PORT",
    "rag": "RAG_PORT",
    "embedding": "EMBEDDING_PORT",
    "qdrant": "QDRANT_PORT",
    "mcp-server": "MCP_PORT",
    "administration": "MCP_SECURITY_PORT",
    "memory-api": "MEMORY_PORT",
}


def free_ports(count):
    """Ports that were free a moment ago, all different; below those that the system itself hands out (Linux: from 32768), to engines and clients."""
    sockets = []
    try:
        for port in random.sample(range(10_240, 32_768), 200):
            s = socket.socket()
            sockets.append(s)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                sockets.pop().close()
            if len(sockets) == count:
                return [s.getsockname()[1] for s in sockets]
        raise AssertionError(f"no {count} ports are free")
    finally:
        for s in sockets:
            s.close()


class Stack:
    def __init__(self, **settings):
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="maru-conformance-"))
        # What the tools of the stack work in, when no other folder is set.
        workspace = self.data / "workspace"
        workspace.mkdir()
        (workspace / "README.md").write_text("# A workspace\n")
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ},
            "DATA_DIR": str(self.data),
            "MODELS_DIR": os.environ.get("MODELS_DIR", str(ROOT / "models")),
            # No .env of the checkout: the suites choose every value themselves.
            "MARU_HOME": str(self.data),
            **{variable: str(self.ports[service]) for service, variable in PORTS.items()},
            **{name: os.environ[name] for name in ("LLAMA_SERVER", "EMBEDDING_ENGINE") if name in os.environ},
            **{name: str(value) for name, value in settings.items()},
        }

    def url(self, service):
        return f"http://127.0.0.1:{self.ports[service]}"

    def run(self, *arguments, timeout=600, check=True, cwd=ROOT, text_input=None):
        """Runs a command of maru and gives what it printed."""
        result = subprocess.run(
            [str(MARU), *map(str, arguments)], env=self.environment, cwd=cwd, timeout=timeout, capture_output=True, text=True, input=text_input
        )
        if check and result.returncode != 0:
            raise AssertionError(f"maru {' '.join(map(str, arguments))} exited {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def start(self, *arguments):
        self.run("up", *arguments, timeout=900)
        return self

    def stop(self):
        self.run("down", timeout=120, check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def status(self):
        # Exit code 1 only says that something is not ready yet.
        return json.loads(self.run("status", "--json", check=False).stdout)

    def get(self, service, path):
        """Status and body of a GET; the body decoded when it is JSON."""
        try:
            with urllib.request.urlopen(self.url(service) + path, timeout=10) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        try:
            return status, json.loads(body)
        except ValueError:
            return status, body.decode()

    def wait_ready(self, service, seconds=120):
        """Waits until a service says it is ready; the deadline only ends a run that would hang."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self.get(service, "/health")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{service} is not ready after {seconds} s")

    def wait_alive(self, service, seconds=120):
        """Waits until a service answers at all, ready or not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self.get(service, "/livez")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{service} does not live after {seconds} s")

    def processes(self):
        """Every process that carries this stack's data folder in its environment or arguments."""
        own = str(self.data).encode()
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                command = (entry / "cmdline").read_bytes()
                if own in command or own in (entry / "environ").read_bytes():
                    found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
        return {pid: command for pid, command in found.items() if "pytest" not in command}

    def held_ports(self):
        """Ports of this stack that something still holds: also what a crash left, which no longer carries the stack's environment."""
        held = []
        for port in self.ports.values():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    held.append(port)
        return held

    def engine_pid(self, service):
        """The llama-server that a service owns."""
        return self.recorded_pid(f"{service}.engine")

    def recorded_pid(self, name):
        """The process that a record names: a service, or its engine."""
        path = self.data / "run" / f"{name}.pid"
        assert path.exists(), f"{name} is not recorded"
        return int(path.read_text().split()[0])

    def metric(self, service, name, /, **labels):
        """The value of a metric, summed over the series that carry these labels. One that is not told is no zero: a name may have changed."""
        status, text = self.get(service, "/metrics")
        assert status == 200, text
        values = []
        for line in text.splitlines():
            if re.match(rf"{name}[{{ ]", line) and all(f'{label}="{value}"' in line for label, value in labels.items()):
                values.append(float(line.rsplit(" ", 1)[1]))
        assert values, f"{service} tells no {name} {labels or ''}"
        return sum(values)

    def kill(self, pid):
        os.kill(pid, signal.SIGKILL)
