"""A tool server of its own, without the services it could ask: what guards tools needs no model."""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import httpx

from stack import MARU, ROOT, Stack


class ToolServer(Stack):
    """One `maru serve mcp-server` on free ports, with a workspace that a test fills."""

    def __init__(self, **settings):
        self.workspace = pathlib.Path(tempfile.mkdtemp(prefix="maru-workspace-"))
        # As root a sandboxed run belongs to another user.
        self.workspace.chmod(0o755)
        super().__init__(**{"PROJECT_ROOT": self.workspace, **settings})
        self.process = None
        self.log = self.data / "mcp-server.log"

    def start(self):
        self.data.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            # It is not supervised: its standard input stays open for as long as it lives.
            self.process = subprocess.Popen(
                [str(MARU), "serve", "mcp-server"], env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait_ready("mcp-server", 60)
        return self

    def kill_hard(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop_process(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

    def stop(self):
        self.stop_process()
        subprocess.run(["rm", "-rf", str(self.workspace)], check=False)
        super().stop()

    def key(self, user, role=None, name="test"):
        """A new key; of a new user where a role is named."""
        if role:
            self.run("user", "add", user, "--role", role)
        made = self.run("key", "create", user, "--name", name, "--json").stdout
        return json.loads(made)["key"]

    @property
    def admin_key(self):
        return (self.data / "secrets" / "admin.key").read_text().strip()

    def client(self, key=None, user=None, base="mcp-server", timeout=60):
        headers = {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if user:
            headers["X-User-ID"] = user
        # Nothing here speaks TLS, and reading the certificates of the world takes longer than a call.
        return httpx.Client(base_url=self.url(base), headers=headers, timeout=timeout, verify=False)

    def call(self, tool, arguments, *, key=None, user=None, approval=None, timeout=60):
        with self.client(key, user, timeout=timeout) as client:
            headers = {"X-Approval-ID": approval} if approval else {}
            return client.post(f"/tools/{tool}/call", json=arguments, headers=headers)

    def approved(self, tool, arguments, *, key=None, user="dev_user", timeout=120):
        """Calls a tool, has the administrator approve it where that is needed, and calls it again."""
        answer = self.call(tool, arguments, key=key, user=None if key else user, timeout=timeout)
        if answer.status_code == 403 and answer.json().get("approval_required"):
            request = answer.json()["request_id"]
            with self.client(self.admin_key) as admin:
                decided = admin.post(f"/api/approvals/{request}/approve", json={"reason": "test"})
                assert decided.status_code == 200, decided.text
            answer = self.call(tool, arguments, key=key, user=None if key else user, approval=request, timeout=timeout)
        return answer

    def metric_as(self, key, name, /, **labels):
        """The value of a metric, summed over the series that carry these labels, asked for with a key."""
        with self.client(key) as client:
            lines = client.get("/metrics").text.splitlines()
        series = [line for line in lines if re.match(rf"{name}[{{ ]", line) and all(f'{label}="{value}"' in line for label, value in labels.items())]
        assert series, f"there is no {name} {labels or ''}"
        return sum(float(line.rsplit(" ", 1)[1]) for line in series)

    def audit(self):
        """Every record of the audit log, oldest first."""
        lines = self.run("audit", "export").stdout.splitlines()
        return [json.loads(line) for line in lines if line.strip()]


class Services(ToolServer):
    """The tool server and whatever else runs without a model, supervised as `maru up` does it."""

    # Alive without the others, if not ready.
    ALIVE = ["mcp-server", "administration", "qdrant", "api-gateway", "rag", "memory-api"]

    def start(self):
        self.run("up", "--only", ",".join(name for name in self.ALIVE if name != "administration"), "--no-wait", timeout=120)
        for service in self.ALIVE:
            self.wait_alive(service, 60)
        self.wait_ready("mcp-server", 60)
        return self


def running_as_root():
    return os.geteuid() == 0
