"""The administration of the tool server on its own port: who may, who may not, and what a change comes to."""

import csv
import io
import json
import re
import sqlite3
import time

import httpx
import pytest

import documented
from toolserver import ToolServer


def routes():
    """Every route of the administration that is an administrator's."""
    return [(method, path) for _, method, path, who in documented.of(["administration"]) if who == "admin"]


def administration(server, key=None):
    return server.client(key, base="administration")


@pytest.fixture
def admin(guarded):
    with administration(guarded, guarded.admin_key) as client:
        yield client


def test_every_route_and_method_is_an_administrators_alone(guarded):
    assert len(routes()) > 20
    keys = {name: guarded.key(f"{name}-only", role=name) for name in ("guest", "developer")}
    before = guarded.run("user", "list", "--json").stdout
    for method, path in routes():
        path = re.sub(r"\{\w+\}", "dev_user", path)
        with administration(guarded) as nobody:
            for headers in ({}, {"X-User-ID": "admin"}, {"Authorization": "Bearer sk-anything"}, {"X-API-Key": "approval-admin-001"}):
                refused = nobody.request(method, path, headers=headers, json={"role": "admin"})
                assert refused.status_code == 401, (method, path, headers, refused.text)
        for name, key in keys.items():
            with administration(guarded, key) as client:
                refused = client.request(method, path, json={"role": "admin"})
                assert refused.status_code == 403 and refused.json()["code"] == "permission_denied", (name, method, path, refused.text)
    assert guarded.run("user", "list", "--json").stdout == before


def test_what_is_changed_over_http_is_what_the_commands_see_and_counts_at_once(guarded, admin):
    assert admin.post("/security/users", json={"user_id": "alice", "username": "앨리스", "role": "guest"}).status_code == 201
    made = admin.post("/security/keys", json={"user_id": "alice", "name": "alice's laptop", "expires_in_days": 7})
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    key = made.json()["key"]["key"]
    assert guarded.call("search_files", {"pattern": "x"}, key=key).status_code == 403
    role = {"role": "searcher", "permissions": ["search_files", "list_files"], "description": "finds things"}
    assert admin.post("/security/roles", json=role).json()["role"]["permissions"] == ["list_files", "search_files"]
    assert admin.patch("/security/users/alice", json={"role": "searcher"}).json()["user"]["role"] == "searcher"
    assert guarded.call("search_files", {"pattern": "x"}, key=key).status_code == 200
    assert admin.patch("/security/roles/searcher", json={"revoke": ["search_files"]}).status_code == 200
    assert guarded.call("search_files", {"pattern": "x"}, key=key).status_code == 403
    assert admin.delete("/security/roles/searcher").json()["code"] == "role_in_use"
    assert "앨리스" in guarded.run("user", "list").stdout and "searcher" in guarded.run("role", "list").stdout
    assert admin.patch("/security/users/alice", json={"is_active": False}).status_code == 200
    assert guarded.call("list_files", {}, key=key).status_code == 401
    assert admin.delete("/security/users/alice").status_code == 204
    assert admin.delete("/security/roles/searcher").status_code == 204
    assert guarded.metric_as(guarded.admin_key, "rbac_role_assignments_total", role="searcher") == 1

    changes = [row for row in guarded.audit() if row["action"] == "administration" and row["user_id"] == "admin"]
    told = "\n".join(row["error_message"] for row in changes)
    for words in ("user alice added with role guest", "user alice given role searcher", "role searcher loses search_files", "user alice removed"):
        assert words in told, told
    assert key not in told and [row["status"] for row in changes].count("error") == 1


def test_nobody_takes_the_last_administrator_away_by_either_door(guarded, admin):
    assert admin.patch("/security/users/admin_user", json={"is_active": False}).status_code == 200
    for method, body in (("DELETE", None), ("PATCH", {"role": "guest"}), ("PATCH", {"is_active": False})):
        refused = admin.request(method, "/security/users/admin", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "last_administrator"), refused.text
    for command in (["remove", "admin"], ["disable", "admin"], ["set-role", "admin", "developer"]):
        refused = guarded.run("user", *command, check=False)
        assert refused.returncode == 1 and "administer" in refused.stderr, refused
    assert admin.patch("/security/users/admin_user", json={"is_active": True}).status_code == 200


def test_a_session_is_listed_with_its_holder_and_ended(guarded, admin):
    key = guarded.key("dora", role="developer")
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}
    opened = httpx.post(guarded.url("mcp-server") + "/mcp", json=hello, headers=headers)
    session = opened.headers["Mcp-Session-Id"]
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_files", "arguments": {}}}
    headers["Mcp-Session-Id"] = session
    assert httpx.post(guarded.url("mcp-server") + "/mcp", json=call, headers=headers).status_code == 200
    [row] = [row for row in admin.get("/security/sessions").json()["sessions"] if row["user_id"] == "dora"]
    assert row["session_id"] == session and row["execution_count"] == 1 and row["age_seconds"] >= 0
    assert admin.delete(f"/security/sessions/{session}").status_code == 204
    assert httpx.post(guarded.url("mcp-server") + "/mcp", json=call, headers=headers).status_code == 404
    assert admin.get(f"/security/sessions/{session}").status_code == 404


def test_validate_tells_and_runs_nothing(guarded, admin):
    def verdict(**body):
        answer = admin.post("/security/validate", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["validation"]

    call = {"tool": "write_file", "arguments": {"path": "never.txt", "content": "x"}}
    allowed = verdict(**call, user_id="dev_user")
    assert allowed["valid"] and allowed["needs_approval"] and allowed["security_level"] == "high"
    assert verdict(**call, user_id="guest_user")["error_type"] == "permission_denied"
    assert verdict(tool="read_file", arguments={"path": 7})["parameter"] == "path"
    assert not (guarded.workspace / "never.txt").exists()
    with administration(guarded, guarded.admin_key) as client:
        assert client.get("/api/approvals/pending").json()["total"] == 0


def test_weakness_13_settings_are_not_changed_by_a_route_that_says_they_were(admin):
    assert admin.post("/security/settings", json={"network_access": True}).status_code == 405
    assert admin.get("/security/settings").json()["settings"]["resource_limits"]["network_access"] is False


def test_what_the_tool_server_does_is_told_in_figures(guarded, admin):
    key = guarded.key("fred", role="guest")

    def told(name, /, **labels):
        return guarded.metric_as(guarded.admin_key, name, **labels)

    assert guarded.call("git_commit", {"message": "x"}, key=key).status_code == 403
    assert guarded.call("list_files", {"x": 1}, key=key).status_code == 422
    assert told("mcp_tool_refusals_total", tool="git_commit", reason="denied") >= 1
    assert told("mcp_tool_refusals_total", tool="list_files", reason="invalid") >= 1
    before = told("audit_records_total")
    assert guarded.call("list_files", {}, key=key).status_code == 200
    assert told("audit_records_total") == before + 2 and told("audit_commit_duration_seconds_count") >= 2
    assert told("http_request_size_bytes_sum", handler="/tools/{tool_name}/call") > 0
    assert told("http_response_size_bytes_count") > 0 and told("http_request_duration_highr_seconds_count") > 0
    request = guarded.call("write_file", {"path": "told.txt", "content": "x"}, key=guarded.key("gina", role="developer")).json()["request_id"]
    assert admin.post(f"/api/approvals/{request}/approve", json={"reason": "told"}).status_code == 200
    # Somebody's answer takes minutes; so do the buckets.
    assert told("approval_response_time_seconds_bucket", le="600") >= 1


# MARK: Keys


def test_a_rotated_key_goes_on_for_its_grace_and_its_last_use_is_seen(guarded):
    old = guarded.key("erin", role="guest", name="erin's key")

    def listed():
        keys = json.loads(guarded.run("key", "list", "--json").stdout)
        return {key["prefix"]: key for key in keys if key["user_id"] == "erin"}

    assert "last_used_at" not in listed()[old[:13]]
    new = json.loads(guarded.run("key", "rotate", "erin's key", "--grace", "1h", "--json").stdout)
    for key in (old, new["key"]):
        assert guarded.call("list_files", {}, key=key).status_code == 200
    deadline = time.monotonic() + 30
    while not all("last_used_at" in key for key in listed().values()):
        assert time.monotonic() < deadline, listed()
    assert listed()[old[:13]]["replaced_by"] == new["prefix"] and listed()[old[:13]]["expires_at"] == new["old_key_until"]
    assert guarded.run("key", "rotate", old[:13], check=False).returncode == 1
    last = guarded.run("key", "rotate", new["prefix"]).stdout.strip()
    assert guarded.call("list_files", {}, key=new["key"]).status_code == 401
    assert guarded.call("list_files", {}, key=last).status_code == 200
    for grace in ("31d", "1y", "-1h", "soon"):
        assert guarded.run("key", "rotate", last[:13], "--grace", grace, check=False).returncode != 0
    assert guarded.call("list_files", {}, key=last).status_code == 200


# MARK: The audit log


def test_an_export_as_csv_is_whole_and_no_cell_is_a_formula(guarded):
    with guarded.client(guarded.admin_key) as client:
        for formula in ("=HYPERLINK(\"http://evil.example\",\"x\")", "+1", "-1+1", "@SUM(A1:A9)"):
            client.post("/tools/list_files/call", json={}, headers={"X-Request-ID": formula})
    text = guarded.run("audit", "export", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [int(row["log_id"]) for row in rows] == [row["log_id"] for row in guarded.audit()]
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)


def test_a_log_that_was_cut_and_whose_anchor_is_gone_does_not_pass():
    server = ToolServer()
    anchor = server.data / "secrets" / "audit.anchor"

    def intact():
        with administration(server, server.admin_key) as client:
            verdict = client.get("/security/audit/verify").json()
        assert (server.run("audit", "verify", check=False).returncode == 0) == verdict["intact"]
        return verdict["intact"]

    try:
        server.start()
        assert intact(), "a new log is whole, and has its anchor"
        for _ in range(5):
            server.call("list_files", {})
        assert intact()
        server.stop_process()
        with sqlite3.connect(server.data / "sqlite" / "security.db") as database:
            database.execute("DELETE FROM security_audit_logs WHERE log_id > 6")
            database.execute("UPDATE security_audit_head SET last_id = 6, hash = (SELECT hash FROM security_audit_logs WHERE log_id = 6)")
        anchor.unlink()
        server.start()
        assert not intact()
        for _ in range(5):
            server.call("list_files", {})
        assert not intact() and not anchor.exists(), "later records do not hide it"
        assert "anchor" in server.run("audit", "verify", check=False).stderr
        # Whoever knows why it is gone says so, and is on record with it.
        server.run("audit", "anchor")
        assert server.run("audit", "verify").returncode == 0
        assert "anew" in server.audit()[-1]["error_message"] and server.audit()[-1]["user_id"].startswith("cli:")
        assert server.run("audit", "anchor", check=False).returncode == 1
    finally:
        server.stop()
