"""How many calls of tools a second go through every guard: keys, roles, limits, and an audit log that is on the disk before the answer.

Prints a table and, as the last line, JSON. Exit code 1 when the bar is not reached. Run by `make bench-tools`."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Conformance"))

from toolserver import ToolServer  # noqa: E402

CALLS, P95 = 1_000, 10.0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(server, keys, seconds, connections):
    """What wrk says of its calls."""
    environment = {**os.environ, "KEYS": str(keys), "THREADS": "1"}
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "10s", "--script", HERE / "calls.lua", server.url("mcp-server")]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(next(line for line in output.splitlines() if line.startswith("JSON "))[5:])


def calls_of(server):
    """How many calls the server made, by its own count; none yet is no such metric yet."""
    with server.client(server.admin_key) as admin:
        lines = admin.get("/metrics").text.splitlines()
    return {
        word: sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("mcp_tool_calls_total{") and (f'status="{word}"' in line))
        for word in ("success", "error", "cancelled")
    }


def at_rest(server):
    """The server's own count, once nothing is worked on any more: wrk breaks off the last calls, the server does not."""
    last = None
    while (now := calls_of(server)) != last:
        last = now
        time.sleep(0.5)
    return now


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--users", type=int, default=250, help="users, each of whom may make 180 calls a minute")
    options.add_argument("--seconds", type=int, default=20)
    options.add_argument("--connections", type=int, default=8)
    given = options.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk makes the calls and is not installed: apt-get install wrk")
    server = ToolServer(SECURITY_MODE="production", LOG_LEVEL="warning")
    try:
        (server.workspace / "README.md").write_text("A workspace of a benchmark.\n" * 40)
        (server.workspace / "src").mkdir()
        for number in range(20):
            (server.workspace / "src" / f"file-{number}.txt").write_text("text\n")
        server.start()
        off = server.get("mcp-server", "/health")[1]["turned_off"]
        assert off == [], off
        keys, warm = server.data / "keys.txt", server.data / "warm.txt"
        warm.write_text("".join(server.key(f"warm-{number}", role="guest") + "\n" for number in range(20)))
        keys.write_text("".join(server.key(f"user-{number}", role="guest") + "\n" for number in range(given.users)))
        load(server, warm, 2, given.connections)
        calls, rows, cpu = at_rest(server), len(server.audit()), cpu_seconds(server.process.pid)
        told = load(server, keys, given.seconds, given.connections)
        done = {word: int(count - calls[word]) for word, count in at_rest(server).items()}
        cpu = cpu_seconds(server.process.pid) - cpu
        rows = len(server.audit()) - rows
        verified = server.run("audit", "verify", check=False)
        log_bytes = (server.data / "sqlite" / "security.db").stat().st_size
    finally:
        server.stop()
    # Calls that wrk broke off at its end were made all the same.
    made = sum(done.values())
    rate = told["requests"] / told["seconds"]
    figures = {
        "tool_calls_per_second": round(rate), "p50_ms": told["p50_ms"], "p95_ms": told["p95_ms"], "p99_ms": told["p99_ms"], "audit_rows": rows,
        "calls": made, "cpu_us_per_call": round(cpu / made * 1e6), "connections": given.connections, "cores": os.cpu_count(),
    }
    print(f"{'calls a second':34} {rate:12,.0f}   bar: more than {CALLS:,}")
    for share in ("p50", "p95", "p99", "max"):
        print(f"{share + ' of a call, ms':34} {told[share + '_ms']:12.2f}" + (f"   bar: less than {P95:g}" if share == "p95" else ""))
    print(f"{'CPU of the server a call, µs':34} {figures['cpu_us_per_call']:12,}")
    print(f"{'calls made, by the server':34} {made:12,}   {given.users} users, none past a limit")
    print(f"{'audit records of them':34} {rows:12,}   two a call; the database has {log_bytes / 1e6:.1f} MB")
    print(f"{'audit log':34} {verified.stdout.strip() or verified.stderr.strip()}")
    wrong = [
        *(["refused or broken off: " + json.dumps(told)] if told["refused"] or told["broken"] else []),
        *([f"calls that failed: {done}"] if done["error"] or done["cancelled"] else []),
        *([f"{made} calls left {rows} records, not two each"] if rows != 2 * made else []),
        *([f"wrk counted {told['requests']} calls, the server {made}"] if not 0 <= made - told["requests"] <= given.connections else []),
        *(["the audit log does not verify"] if verified.returncode != 0 else []),
        *(["the bar is not reached"] if rate <= CALLS or told["p95_ms"] >= P95 else []),
    ]
    for line in wrong:
        print(f"FAILED: {line}")
    print(json.dumps(figures))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
