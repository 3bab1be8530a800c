"""The tool server as its users meet it: tools by role, approvals that hold, an audit log that tells."""

import concurrent.futures
import json
import re
import sqlite3
import subprocess

import pytest

from stack import MARU
from toolserver import ToolServer


@pytest.fixture(scope="module")
def tools():
    server = ToolServer()
    (server.workspace / "README.md").write_text("# 안내\n\nA workspace.\n")
    (server.workspace / "src").mkdir()
    (server.workspace / "src" / "main.py").write_text("print('hello')\n")
    subprocess.run(["git", "init", "-q", "-b", "main", str(server.workspace)], check=True)
    try:
        yield server.start()
    finally:
        server.stop()


def names(answer):
    return [tool["name"] for tool in answer.json()["tools"]]


def test_each_role_is_shown_its_own_tools_and_no_other(tools):
    with tools.client(user="guest_user") as guest, tools.client() as developer, tools.client(tools.admin_key) as admin:
        assert len(names(guest.get("/tools"))) == 7
        assert len(names(developer.get("/tools"))) == 15
        offered = admin.get("/tools").json()["tools"]
    assert len(offered) == 25
    for tool in offered:
        assert tool["description"] and tool["inputSchema"]["type"] == "object" and "required" in tool["inputSchema"]


def test_a_file_is_read_by_either_form_of_the_body_and_by_the_short_path(tools):
    with tools.client(user="dev_user") as client:
        for path, body in [
            ("/tools/read_file/call", {"path": "README.md"}),
            ("/tools/read_file/call", {"arguments": {"path": "README.md"}}),
            ("/tools/read_file", {"path": "README.md"}),
        ]:
            answer = client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            assert answer.json()["success"] is True and "안내" in answer.json()["result"]["content"]


def test_weakness_19_what_goes_wrong_has_its_own_status_and_a_stable_code(tools):
    for tool, arguments, user, status, code in [
        ("no_such_tool", {}, "dev_user", 404, "unknown_tool"),
        ("read_file", {}, "dev_user", 422, "invalid_value"),
        ("read_file", {"path": 7}, "dev_user", 422, "invalid_value"),
        ("read_file", {"path": "README.md", "x": 1}, "dev_user", 422, "invalid_value"),
        ("read_file", {"path": "nowhere.txt"}, "dev_user", 404, "not_found"),
        ("write_file", {"path": "a", "content": "b"}, "guest_user", 403, "permission_denied"),
        ("git_commit", {"message": "x"}, "dev_user", 403, "permission_denied"),
    ]:
        answer = tools.call(tool, arguments, user=user)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        assert answer.json()["success"] is False and answer.json()["detail"]


def test_a_guest_who_writes_is_refused_and_recorded(tools):
    answer = tools.call("write_file", {"path": "a", "content": "b"}, user="guest_user")
    assert answer.status_code == 403 and answer.json()["error"] == "Permission denied"
    last = [row for row in tools.audit() if row["user_id"] == "guest_user" and row["tool_name"] == "write_file"][-1]
    assert (last["action"], last["status"]) == ("access", "denied")


def test_weakness_10_an_approval_is_asked_for_at_once_decided_by_another_and_used_once(tools):
    call = {"path": "approved.txt", "content": "forty-two"}
    asked = tools.call("write_file", call)
    assert asked.status_code == 403, asked.text
    body = asked.json()
    assert body["approval_required"] is True and body["status"] == "pending" and body["request_id"] and body["expires_at"]
    request = body["request_id"]
    # The very same call is not asked for twice.
    assert tools.call("write_file", call).json()["request_id"] == request
    with tools.client() as asker:
        assert asker.post(f"/api/approvals/{request}/approve", json={"reason": "mine"}).status_code == 403
    with tools.client(tools.admin_key) as admin:
        shown = admin.get(f"/api/v1/approvals/{request}").json()
        assert "forty-two" in shown["preview"]
        assert admin.post(f"/api/approvals/{request}/approve", json={"reason": "fine"}).json()["status"] == "approved"
        assert admin.post(f"/api/approvals/{request}/approve", json={"reason": "fine"}).status_code == 409
    # Other arguments are another call.
    changed = tools.call("write_file", {**call, "content": "forty-three"}, approval=request)
    assert changed.status_code == 403 and not (tools.workspace / "approved.txt").exists()
    ran = tools.call("write_file", call, approval=request)
    assert ran.status_code == 200, ran.text
    assert (tools.workspace / "approved.txt").read_text() == "forty-two"
    replayed = tools.call("write_file", call, approval=request)
    assert replayed.status_code == 403 and "result" not in replayed.json()


def test_one_approval_runs_once_however_many_ask_at_the_same_time(tools):
    key = tools.key("many", role="developer")
    call = {"path": "once.txt", "content": "once"}
    request = tools.call("write_file", call, key=key).json()["request_id"]
    with tools.client(tools.admin_key) as admin:
        admin.post(f"/api/approvals/{request}/approve", json={"reason": "once"})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: tools.call("write_file", call, key=key, approval=request), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 403, 403, 403], [answer.text for answer in answers]


def test_every_call_has_one_record_of_what_was_decided_and_one_of_what_came_of_it(tools):
    before = len(tools.audit())
    with tools.client(user="dev_user") as client:
        for number in range(20):
            client.post("/tools/list_files/call", json={"path": "."}, headers={"X-Request-ID": f"pair-{number}"})
    rows = tools.audit()[before:]
    for number in range(20):
        own = [(row["action"], row["status"]) for row in rows if row["request_id"] == f"pair-{number}"]
        assert own == [("access", "allowed"), ("execute", "success")]


def test_the_administration_answers_administrators_alone(tools):
    routes = ["/security/stats", "/security/settings", "/security/logs/audit", "/security/users", "/security/keys"]
    for route in routes:
        with tools.client(base="administration") as nobody, tools.client(tools.admin_key, base="administration") as admin:
            assert nobody.get(route).status_code in (401, 403), route
            assert admin.get(route).status_code == 200, route


def test_weakness_08_a_name_is_no_identity(tools):
    for name in ["admin", "admin_user", "nobody-of-that-name", "' OR 1=1 --", "dev_user\r\nX-Role: admin"]:
        try:
            answer = tools.call("git_commit", {"message": "x"}, user=name)
        except Exception as error:  # the client itself refuses a header of two lines
            assert "header" in str(error).lower() or "illegal" in str(error).lower()
            continue
        assert answer.status_code in (400, 401, 403), answer.text
    # A word that is not shaped like a key of ours is none: the caller is the developer user, as without it.
    assert tools.call("list_files", {}, key="approval-admin-001").status_code == 200
    with tools.client(key="approval-admin-001") as client:
        assert client.get("/api/v1/approvals").status_code in (401, 403)
    assert tools.call("list_files", {}, key="maru_admin_" + "0" * 64).status_code == 401


def test_users_keys_and_roles_take_effect_at_once(tools):
    key = tools.key("alice", role="guest")
    assert tools.call("get_current_model", {}, key=key).status_code == 403
    tools.run("user", "set-role", "alice", "developer")
    assert tools.call("list_files", {}, key=key).status_code == 200
    assert tools.call("search_files", {"pattern": "x"}, key=key).status_code == 403
    tools.run("role", "grant", "developer", "search_files")
    assert tools.call("search_files", {"pattern": "x"}, key=key).status_code == 200
    tools.run("role", "revoke", "developer", "search_files")
    assert tools.call("search_files", {"pattern": "x"}, key=key).status_code == 403
    tools.run("user", "disable", "alice")
    assert tools.call("list_files", {}, key=key).status_code == 401
    tools.run("user", "enable", "alice")
    assert tools.call("list_files", {}, key=key).status_code == 200
    prefix = next(entry["prefix"] for entry in json.loads(tools.run("key", "list", "--json").stdout) if entry["user_id"] == "alice")
    tools.run("key", "revoke", prefix)
    assert tools.call("list_files", {}, key=key).status_code == 401


def test_keys_are_kept_as_hashes(tools):
    key = tools.key("hashed", role="guest")
    for path in (tools.data / "sqlite").glob("security.db*"):
        assert key.encode() not in path.read_bytes()


def test_calls_past_the_limit_are_told_when_to_come_back(tools):
    key = tools.key("hasty", role="developer")
    with tools.client(key) as client:
        answers = [client.post("/tools/get_current_model/call", json={}) for _ in range(36)]
        assert answers[-1].status_code == 429, answers[-1].text
        assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
        assert sum(answer.status_code != 429 for answer in answers) == 35
        left = client.get("/rate-limits/get_current_model").json()
        assert left["remaining"] == 0 and left["max_requests"] == 30 and left["burst_size"] == 5
    assert tools.call("get_current_model", {}, user="dev_user").status_code != 429


def test_the_command_lists_describes_and_calls(tools):
    listed = tools.run("tool", "list").stdout
    assert "read_file" in listed and "search_files" in listed
    assert "approved" in tools.run("tool", "info", "write_file").stdout
    assert "안내" in tools.run("tool", "call", "read_file", "path=README.md").stdout
    failed = tools.run("tool", "call", "read_file", "path=../../etc/passwd", check=False)
    assert failed.returncode != 0 and "root:" not in failed.stdout and failed.stderr


def test_the_command_waits_for_an_approval_and_then_runs_by_itself(tools):
    key = tools.key("carol", role="developer")
    process = subprocess.Popen(
        [str(MARU), "tool", "call", "write_file", "path=made.txt", "content=by carol"],
        env={**tools.environment, "MARU_API_KEY": key}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    request = re.search(r"approval ([0-9a-f-]{36})", process.stderr.readline()).group(1)
    shown = tools.run("approvals", "show", request[:8]).stdout
    assert "by carol" in shown and "made.txt" in shown
    tools.run("approvals", "approve", request[:8], "--reason", "fine")
    output, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert (tools.workspace / "made.txt").read_text() == "by carol"


def test_a_flipped_byte_in_the_audit_log_is_found_and_located():
    server = ToolServer()
    try:
        server.start()
        for number in range(10):
            server.call("list_files", {"path": "."}, user="dev_user")
        assert server.run("audit", "verify").returncode == 0
        server.stop_process()
        with sqlite3.connect(server.data / "sqlite" / "security.db") as database:
            row = database.execute("SELECT log_id FROM security_audit_logs ORDER BY log_id LIMIT 1 OFFSET 7").fetchone()[0]
            database.execute("UPDATE security_audit_logs SET status = 'succesS' WHERE log_id = ?", (row,))
        broken = server.run("audit", "verify", check=False)
        assert broken.returncode != 0 and str(row) in broken.stdout + broken.stderr
    finally:
        server.stop()


def test_the_audit_log_survives_being_killed_fifty_times():
    server = ToolServer()
    acknowledged = 0
    try:
        server.start()
        for turn in range(50):
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                futures = [
                    pool.submit(server.call, "list_files", {"path": "."}, user="guest_user" if number % 2 else "dev_user") for number in range(8)
                ]
                next(concurrent.futures.as_completed(futures))
                server.kill_hard()
                for future in futures:
                    try:
                        # One past its limit is recorded too, by one record; one that was done, by two.
                        acknowledged += {200: 2, 429: 1}.get(future.result().status_code, 0)
                    except Exception:
                        continue
            server.start()
        assert server.run("audit", "verify").returncode == 0
        rows = [row for row in server.audit() if row["tool_name"] == "list_files"]
        assert acknowledged > 50 and len(rows) >= acknowledged
    finally:
        server.stop()


@pytest.mark.parametrize("setting", ["RBAC_ENABLED", "APPROVAL_WORKFLOW_ENABLED", "RATE_LIMIT_ENABLED", "SANDBOX_ENABLED"])
def test_what_is_turned_off_stands_in_the_log_and_in_health(setting):
    server = ToolServer(**{setting: "false"})
    try:
        server.start()
        assert setting in server.get("mcp-server", "/health")[1]["turned_off"]
        assert setting in server.log.read_text()
    finally:
        server.stop()


def test_in_production_keys_alone_are_trusted():
    server = ToolServer(SECURITY_MODE="production")
    try:
        server.start()
        assert server.call("list_files", {}, user="dev_user").status_code == 401
        assert server.call("list_files", {}).status_code == 401
        assert server.call("list_files", {}, key=server.key("bob", role="guest")).status_code == 200
    finally:
        server.stop()
