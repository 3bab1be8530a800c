"""What an operator relies on: nothing listens elsewhere, keys lie in one place, nothing is left behind."""

import os
import pathlib
import signal
import stat
import subprocess
import time

from stack import MARU, ROOT


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


def test_after_kill_9_of_the_supervisor_nothing_stays(own_stack):
    short = own_stack()
    short.start("--only", "qdrant", "--no-wait")
    short.wait_ready("qdrant")
    short.kill(short.status()["pid"])
    short.run("down")
    assert short.processes() == {}
    short.start("--only", "qdrant", "--no-wait")
    short.wait_ready("qdrant")


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


def test_ctrl_c_in_the_foreground_is_clean(own_stack):
    short = own_stack()
    process = subprocess.Popen([str(MARU), "serve", "qdrant"], env=short.environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    short.wait_ready("qdrant")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
