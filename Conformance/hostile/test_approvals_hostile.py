"""S4: an approval lets one call through, the very one that another person approved; in whatever order things happen, and whatever breaks down in between."""

import concurrent.futures
import itertools
import json
import socket
import time
import uuid

import pytest

from toolserver import ToolServer


@pytest.fixture(scope="module")
def tools():
    # Requests are made by the hundred; how often one may call has tests of its own.
    server = ToolServer(RATE_LIMIT_ENABLED="false", APPROVAL_MAX_PENDING=10_000)
    try:
        server.start()
        server.keys = {name: server.key(name, role=role) for name, role in (("anna", "developer"), ("ben", "developer"), ("chief", "admin"), ("deputy", "admin"))}
        yield server
    finally:
        server.stop()


def asked(tools, path, content, who="anna"):
    answer = tools.call("write_file", {"path": path, "content": content}, key=tools.keys[who])
    assert answer.status_code == 403 and answer.json()["approval_required"], answer.text
    return answer.json()["request_id"]


def decided(tools, request, who="chief", word="approve"):
    with tools.client(tools.keys[who]) as client:
        return client.post(f"/api/approvals/{request}/{word}", json={"reason": "test"}).status_code


def status(tools, request):
    with tools.client(tools.keys["chief"]) as client:
        return client.get(f"/api/approvals/{request}/status").json()["status"]


# -- Every order of events --------------------------------------------------------------------------------------------------------------

# An event, by whom, and what it does to a request: the status it has to have, and the one it has then. All else is refused.
EVENTS = {
    "approved by another": ("chief", "pending", "approved"),
    "approved by the asker": ("anna", None, None),
    "approved by who may not": ("ben", None, None),
    "rejected": ("chief", "pending", "rejected"),
    "taken back": ("anna", "pending", "cancelled"),
    "called": ("anna", "approved", "used"),
    "called with other arguments": ("anna", None, None),
    "called by another": ("ben", None, None),
}


def happens(client, event, request, path):
    word = event.split()[0]
    if word in ("approved", "rejected"):
        return client.post(f"/api/approvals/{request}/{word[:-1] if word == 'approved' else 'reject'}", json={"reason": "x"})
    if word == "taken":
        return client.delete(f"/api/v1/approvals/{request}")
    content = "other" if "other arguments" in event else "asked for"
    return client.post("/tools/write_file/call", json={"path": path, "content": content}, headers={"X-Approval-ID": request})


def tried(tools, clients, number, order):
    """Has the events happen to a request of its own, and gives what was not as it has to be."""
    path, now, wrong = f"order-{number}.txt", "pending", []
    request = clients["anna"].post("/tools/write_file/call", json={"path": path, "content": "asked for"}).json()["request_id"]
    for event in order:
        who, needed, then = EVENTS[event]
        answer = happens(clients[who], event, request, path)
        if needed is not None and now == needed:
            now = then
            good = answer.status_code in (200, 204)
        else:
            good = answer.status_code in (403, 404, 409)
        written = (tools.workspace / path).exists()
        if not good or written != (now == "used"):
            wrong.append((order, event, answer.status_code, answer.text, written))
    told = clients["chief"].get(f"/api/approvals/{request}/status").json()["status"]
    return wrong if told == now else [*wrong, (order, told, now)]


def test_in_every_order_of_events_only_what_may_happen_does(tools, figure):
    # All of two events, and of three those that begin with one that changes something.
    orders = [order for length in (2, 3) for order in itertools.product(EVENTS, repeat=length) if length == 2 or EVENTS[order[0]][1] == "pending"]
    clients = {name: tools.client(tools.keys[name]) for name in ("anna", "ben", "chief")}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        wrong = [one for some in pool.map(lambda one: tried(tools, clients, *one), enumerate(orders)) for one in some]
    figure("S4", cases=len(orders), through=len(wrong), note=f"{len(orders)} orders of {len(EVENTS)} events")
    assert not wrong, wrong[:5]


# -- At the same time -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(10))
def test_two_who_decide_at_once_decide_once(tools, figure, turn):
    figure("S4")
    request = asked(tools, f"twice-{turn}.txt", "x")
    words = ["approve", "approve"] if turn % 2 else ["approve", "reject"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(lambda one: decided(tools, request, *one), zip(("chief", "deputy"), words)))
    assert told == [200, 409]


@pytest.mark.parametrize("turn", range(10))
def test_one_approval_lets_one_of_many_calls_through(tools, figure, turn):
    figure("S4")
    path = f"many-{turn}.txt"
    request = asked(tools, path, "x")
    assert decided(tools, request) == 200
    named = [request, None] * 3
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda one: tools.call("write_file", {"path": path, "content": "x"}, key=tools.keys["anna"], approval=one).status_code, named))
    assert sorted(told) == [200] + [403] * 5


def test_what_was_used_is_used_by_any_spelling_of_its_id(tools, figure):
    request = asked(tools, "replayed.txt", "x")
    assert decided(tools, request) == 200
    call = {"path": "replayed.txt", "content": "x"}
    assert tools.call("write_file", call, key=tools.keys["anna"], approval=request).status_code == 200
    (tools.workspace / "replayed.txt").unlink()
    spellings = [request, request.upper(), request[:8], request[:13], "{" + request + "}", f"urn:uuid:{request}"]
    replayed = [tools.call("write_file", call, key=tools.keys["anna"], approval=one) for one in spellings]
    with tools.client(tools.keys["anna"]) as anna:
        replayed.append(anna.post("/tools/write_file/call", json={"arguments": call, "approval_id": request}))
        replayed.append(anna.post("/tools/write_file", json=call, headers={"X-Approval-ID": request}))
    through = [answer.text for answer in replayed if answer.status_code not in (403, 404, 422)]
    figure("S4", cases=len(replayed), through=len(through))
    assert not through and not (tools.workspace / "replayed.txt").exists(), through


@pytest.mark.parametrize("change", [{"role": "guest"}, {"disable": True}, {"revoke": True}])
def test_who_lost_the_right_between_the_request_and_the_decision_decides_nothing(tools, figure, change):
    figure("S4")
    name = f"lost-{uuid.uuid4().hex[:8]}"
    tools.keys[name] = tools.key(name, role="admin")
    request = asked(tools, f"{name}.txt", "x")
    if "role" in change:
        tools.run("user", "set-role", name, change["role"])
    elif "disable" in change:
        tools.run("user", "disable", name)
    else:
        prefix = next(entry["prefix"] for entry in json.loads(tools.run("key", "list", "--json").stdout) if entry["user_id"] == name)
        tools.run("key", "revoke", prefix)
    assert decided(tools, request, who=name) in (401, 403)
    assert status(tools, request) == "pending"


def test_who_lost_the_tool_after_the_approval_calls_nothing(tools, figure):
    figure("S4")
    tools.keys["emma"] = tools.key("emma", role="developer")
    request = asked(tools, "emma.txt", "x", who="emma")
    assert decided(tools, request) == 200
    tools.run("user", "set-role", "emma", "guest")
    answer = tools.call("write_file", {"path": "emma.txt", "content": "x"}, key=tools.keys["emma"], approval=request)
    assert answer.status_code == 403 and not (tools.workspace / "emma.txt").exists()


# -- Clients that leave, servers that end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(10))
def test_a_client_that_leaves_in_the_middle_of_its_call_has_used_its_approval_or_not_called(tools, figure, turn):
    figure("S4")
    path = f"gone-{turn}.txt"
    request = asked(tools, path, "x")
    assert decided(tools, request) == 200
    body = json.dumps({"path": path, "content": "x"}).encode()
    head = f"POST /tools/write_file/call HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {tools.keys['anna']}\r\nX-Approval-ID: {request}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", tools.ports["mcp-server"])) as connection:
        # Gone before the body is whole, or right after it.
        connection.sendall(head.encode() + (body[: len(body) // 2] if turn % 2 else body))
    deadline = time.monotonic() + 20
    while turn % 2 == 0 and status(tools, request) != "used":
        assert time.monotonic() < deadline, "the call that was sent whole was not made"
        time.sleep(0.02)
    if turn % 2 == 0:
        while not (tools.workspace / path).exists():
            assert time.monotonic() < deadline, "an approval was used up for nothing"
            time.sleep(0.02)
        (tools.workspace / path).unlink()
    again = tools.call("write_file", {"path": path, "content": "x"}, key=tools.keys["anna"], approval=request).status_code
    assert again == (200 if turn % 2 else 403)
    assert (tools.workspace / path).exists() == bool(turn % 2)


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("moment", ["asked", "approved", "used", "rejected"])
def test_a_restart_changes_nothing(tools, figure, moment, is_killed):
    figure("S4")
    path = f"restart-{moment}-{is_killed}.txt"
    call = {"path": path, "content": "x"}

    def again(approval):
        return tools.call("write_file", call, key=tools.keys["anna"], approval=approval).status_code

    request = asked(tools, path, "x")
    if moment == "rejected":
        assert decided(tools, request, word="reject") == 200
    elif moment != "asked":
        assert decided(tools, request) == 200
    if moment == "used":
        assert again(request) == 200
    (tools.kill_hard if is_killed else tools.stop_process)()
    tools.start()
    if moment == "asked":
        assert again(request) == 403 and decided(tools, request, who="anna") == 403 and decided(tools, request) == 200
    if moment in ("asked", "approved"):
        assert again(request) == 200
    assert [again(request), again(request)] == [403, 403]
    assert decided(tools, request) == 409
