"""S5: whoever can write the database, and even compute the chain, changes no record unnoticed. And each call has one decision and one outcome."""

import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import shutil
import sqlite3
import struct
import subprocess
import uuid

import pytest

from stack import MARU
from toolserver import ToolServer

COLUMNS = ["log_id", "user_id", "tool_name", "action", "status", "error_message", "request_data", "timestamp", "execution_time_ms", "ip_address", "session_id", "request_id"]
# What a call comes to, and the records it leaves.
RECORDS = {
    "done": [("access", "allowed"), ("execute", "success")],
    "failed": [("access", "allowed"), ("execute", "error")],
    "denied": [("access", "denied")],
    "invalid": [("access", "invalid")],
    "limited": [("access", "rate_limited")],
    "asked": [("approval_requested", "pending")],
}


@pytest.fixture(scope="module")
def logged():
    """A server that has answered a mixed load, stopped; with what each call came to, by its request id."""
    server = ToolServer()
    (server.workspace / "README.md").write_text("hello\n")
    try:
        server.start()
        keys = {role: server.key(f"{role}-caller", role=role) for role in ("guest", "developer")}
        work = []
        for number in range(25):
            work += [("guest", "read_file", {"path": "README.md"}), ("guest", "read_file", {"path": f"missing-{number}.txt"})]
        for _ in range(50):
            work += [("developer", "get_current_model", {})]  # 35 of them within the limit
        work += [("guest", "write_file", {"path": "a", "content": "b"})] * 10
        work += [("developer", "read_file", {"path": 7})] * 10
        work += [("developer", "write_file", {"path": f"{number}.txt", "content": "x"}) for number in range(10)]

        def call(one):
            role, tool, arguments = one
            request = str(uuid.uuid4())
            with server.client(keys[role]) as client:
                return request, client.post(f"/tools/{tool}/call", json=arguments, headers={"X-Request-ID": request})

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = dict(pool.map(call, work))
        for approved in [one for one in answers.values() if one.status_code == 403 and one.json().get("approval_required")][:3]:
            with server.client(server.admin_key) as admin:
                assert admin.post(f"/api/approvals/{approved.json()['request_id']}/approve", json={"reason": "test"}).status_code == 200
        server.stop_process()
        yield server, {request: kind(answer) for request, answer in answers.items()}
    finally:
        server.stop()


def kind(answer):
    body = answer.json()
    if body.get("approval_required"):
        return "asked"
    return {200: "done", 404: "failed", 422: "invalid", 403: "denied", 429: "limited"}[answer.status_code]


def test_every_call_has_exactly_one_decision_and_one_outcome(logged, figure):
    server, came_to = logged
    counts = {word: sum(1 for one in came_to.values() if one == word) for word in RECORDS}
    assert counts["limited"] == 15 and all(counts.values()), counts
    rows = {}
    for row in server.audit():
        rows.setdefault(row.get("request_id"), []).append((row["action"], row["status"]))
    wrong = {request: (word, rows.get(request)) for request, word in came_to.items() if rows.get(request) != RECORDS[word]}
    figure("S5", cases=len(came_to), through=len(wrong), note=f"{len(came_to)} calls of a mixed load: one decision each, and one outcome where it ran")
    assert not wrong, wrong


# -- Records that somebody tampers with -------------------------------------------------------------------------------------------------


def chained(previous, row):
    """The hash of a record as the log computes it: who can write the database can compute it too."""
    digest = hashlib.sha256(previous)
    for column in COLUMNS:
        value = row[column]
        data = None if value is None else str(value).encode()
        digest.update(struct.pack(">I", 0xFFFFFFFF if data is None else len(data)) + (data or b""))
    return digest.digest()


def rechain(database, start):
    """Computes every hash from a record on anew, and the head: the database is whole in itself then."""
    database.row_factory = sqlite3.Row
    head = database.execute("SELECT * FROM security_audit_head").fetchone()
    before = database.execute("SELECT log_id, hash FROM security_audit_logs WHERE log_id < ? ORDER BY log_id DESC LIMIT 1", (start,)).fetchone()
    last, previous = (before["log_id"], before["hash"]) if before else (head["pruned_id"], head["pruned_hash"])
    for row in database.execute("SELECT * FROM security_audit_logs WHERE log_id >= ? ORDER BY log_id", (start,)).fetchall():
        number = last + 1
        database.execute("UPDATE security_audit_logs SET log_id = ? WHERE log_id = ?", (number, row["log_id"]))
        previous, last = chained(previous, {**dict(row), "log_id": number}), number
        database.execute("UPDATE security_audit_logs SET hash = ? WHERE log_id = ?", (previous, number))
    database.execute("UPDATE security_audit_head SET last_id = ?, hash = ?", (last, previous))


def alter(column, value):
    def change(database, record):
        database.execute(f"UPDATE security_audit_logs SET {column} = {value} WHERE log_id = ?", (record,))

    return change


def delete(database, record):
    database.execute("DELETE FROM security_audit_logs WHERE log_id = ?", (record,))


def truncate(database, record):
    database.execute("DELETE FROM security_audit_logs WHERE log_id >= ?", (record,))


def truncate_with_head(database, record):
    truncate(database, record)
    rechain(database, record)


def swap(database, record):
    """Two records change places; the last one with the one before it."""
    last = database.execute("SELECT max(log_id) FROM security_audit_logs").fetchone()[0]
    other = record + 1 if record < last else record - 1
    for source, target in ((record, -1), (other, record), (-1, other)):
        database.execute("UPDATE security_audit_logs SET log_id = ? WHERE log_id = ?", (target, source))


def insert(database, record):
    """A record is slipped in, and those after it move on."""
    for (number,) in database.execute("SELECT log_id FROM security_audit_logs WHERE log_id >= ? ORDER BY log_id DESC", (record,)).fetchall():
        database.execute("UPDATE security_audit_logs SET log_id = log_id + 1 WHERE log_id = ?", (number,))
    names = ", ".join(COLUMNS[2:] + ["hash"])
    database.execute(f"INSERT INTO security_audit_logs (log_id, user_id, {names}) SELECT ?, 'forged', {names} FROM security_audit_logs WHERE log_id = ?", (record, record + 1))


def prune(database, record):
    """The front is dropped as if retention had done it."""
    hash_ = database.execute("SELECT hash FROM security_audit_logs WHERE log_id = ?", (record,)).fetchone()[0]
    database.execute("DELETE FROM security_audit_logs WHERE log_id <= ?", (record,))
    database.execute("UPDATE security_audit_head SET pruned_id = ?, pruned_hash = ?", (record, hash_))


def and_rechain(change):
    def both(database, record):
        change(database, record)
        rechain(database, record)

    return both


TAMPERINGS = {
    "delete it": delete,
    "cut the log off there": truncate,
    "cut it off there, head and all": truncate_with_head,
    "swap it with the next": swap,
    "slip one in": insert,
    "drop all up to it as retention does": prune,
    "change its number": alter("log_id", "log_id + 100000"),
    "change its user": alter("user_id", "'somebody'"),
    "change its tool": alter("tool_name", "tool_name || ' '"),
    "change its action": alter("action", "upper(action)"),
    "change its status": alter("status", "CASE status WHEN 'denied' THEN 'allowed' ELSE 'denied' END"),
    "change its error": alter("error_message", "coalesce(error_message || '.', '')"),
    "change its arguments": alter("request_data", "coalesce(replace(request_data, '{', '{ '), '')"),
    "change its time": alter("timestamp", "datetime(timestamp, '-1 hour')"),
    "change how long it took": alter("execution_time_ms", "coalesce(execution_time_ms + 1, 0)"),
    "change its address": alter("ip_address", "'10.0.0.1'"),
    "change its session": alter("session_id", "coalesce(session_id || 'x', '')"),
    "change its request": alter("request_id", "coalesce(request_id || 'x', '')"),
    "change its hash": alter("hash", "zeroblob(32)"),
    "delete it and chain anew": and_rechain(delete),
    "swap it with the next and chain anew": and_rechain(lambda database, record: swap(database, record)),
    "slip one in and chain anew": and_rechain(insert),
    "change its status and chain anew": and_rechain(alter("status", "CASE status WHEN 'denied' THEN 'allowed' ELSE 'denied' END")),
}


def verified(server, folder):
    result = subprocess.run(
        [str(MARU), "audit", "verify"], env={**server.environment, "DATA_DIR": str(folder), "MARU_HOME": str(folder)}, capture_output=True, text=True, timeout=120
    )
    return result.returncode, result.stdout + result.stderr


@contextlib.contextmanager
def copied(server, folder):
    """The database on a copy of what lies on the disk, to be tampered with."""
    for name in ("sqlite", "secrets"):
        shutil.copytree(server.data / name, folder / name)
    with contextlib.closing(sqlite3.connect(folder / "sqlite" / "security.db")) as database:
        yield database
        database.commit()


def test_no_record_is_changed_moved_or_removed_unnoticed(logged, figure, tmp_path):
    server, _ = logged
    records = [row["log_id"] for row in server.audit()]
    # The chain is computed here as the log does it, or tampering with it would show nothing.
    clean = tmp_path / "clean"
    with copied(server, clean) as database:
        rechain(database, records[0])
    assert verified(server, clean)[0] == 0, verified(server, clean)[1]
    anchored = json.loads((server.data / "secrets" / "audit.anchor").read_text())["last_id"]
    assert len(records) > 200 and anchored == records[-1], "what is appended is anchored when the server ends"

    def undetected(number, name, record):
        folder = tmp_path / str(number)
        with copied(server, folder) as database:
            TAMPERINGS[name](database, record)
        code, told = verified(server, folder)
        shutil.rmtree(folder)
        assert code != 0 or "each chained" in told, told
        return [] if code != 0 and "broken" in told else [(name, record, told)]

    # Every record, with one tampering after the other; and each tampering at the log's ends.
    edges = [records[0], records[1], records[-2], records[-1]]
    tried = {(name, record) for name, record in zip(itertools.cycle(TAMPERINGS), records)} | {(name, record) for name in TAMPERINGS for record in edges}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda one: undetected(one[0], *one[1]), enumerate(sorted(tried))))
    missed = [one for some in found for one in some]
    figure("S5", cases=len(found), through=len(missed), note=f"{len(found)} tamperings, at least one with each of {len(records)} records")
    assert not missed, missed


def test_a_log_that_was_tampered_with_stays_so_whatever_comes_after(logged, figure, tmp_path):
    """The server starts on a log whose end was cut off and goes on: the gap stays to be seen."""
    server, _ = logged
    records = [row["log_id"] for row in server.audit()]
    kept = server.data
    for name in ("cut the log off there", "cut it off there, head and all", "delete it and chain anew"):
        figure("S5")
        folder = tmp_path / name.replace(" ", "-").replace(",", "")
        with copied(server, folder) as database:
            TAMPERINGS[name](database, records[-20])
        server.data, server.environment["DATA_DIR"] = folder, str(folder)
        try:
            server.start()
            for _ in range(30):
                assert server.call("read_file", {"path": "README.md"}).status_code == 200
            server.stop_process()
            assert verified(server, folder)[0] != 0, name
        finally:
            server.stop_process()
            server.data, server.environment["DATA_DIR"] = kept, str(kept)
