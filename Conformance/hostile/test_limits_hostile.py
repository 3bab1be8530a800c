"""S9: a limit lets through what it says, to one call: with many at once, through a whole window, and whatever others do."""

import bisect
import concurrent.futures
import contextlib
import json
import socket
import threading
import time

import pytest

from toolserver import ToolServer

# list_files: 60 calls and a burst of 10 in any minute, of each caller.
LIMIT, WINDOW = 70, 60.0


@pytest.fixture(scope="module")
def tools():
    server = ToolServer()
    try:
        yield server.start()
    finally:
        server.stop()


def called(client, tool="list_files", arguments={}):
    """When a call was sent, when it was answered, and with what."""
    sent = time.monotonic()
    answer = client.post(f"/tools/{tool}/call", json=arguments)
    assert answer.status_code in (200, 429), answer.text
    return sent, time.monotonic(), answer


def test_of_many_calls_at_once_as_many_pass_as_the_limit_says(tools, figure):
    names = ["burst-one", "burst-two", "burst-three"]
    clients = [tools.client(tools.key(name, role="developer")) for name in names]
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        # Each of three callers at once and mixed; the first asks seven times as often as the last.
        order = [one for number in range(500) for one in (clients[0], *([clients[1]] if number < 150 else []), *([clients[2]] if number < LIMIT else []))]
        answers = list(pool.map(lambda client: (client, called(client)[2].status_code), order))
    took = time.monotonic() - start
    assert took < WINDOW, f"the calls took {took:.0f} s, longer than the window: nothing was measured"
    passed = [sum(1 for client, status in answers if client is one and status == 200) for one in clients]
    off = [abs(count - LIMIT) for count in passed]
    figure("S9", cases=len(answers), through=sum(one > 1 for one in off), note=f"three callers at once, {passed} let through of {LIMIT} each: off by {max(off)}")
    assert max(off) <= 1, passed


def test_no_window_of_a_minute_holds_more_and_who_waits_as_told_is_let_in(tools, figure):
    with tools.client(tools.key("steady", role="developer")) as client:
        passed, tries, told = [], 0, None
        start = time.monotonic()
        # Calls go on past the end of the first window, into the next.
        while time.monotonic() - start < WINDOW + 6:
            sent, answered, answer = called(client)
            tries += 1
            if answer.status_code == 200:
                passed.append((sent, answered))
            elif told is None:
                told = answered + int(answer.headers["Retry-After"])
            time.sleep(0.02 if len(passed) < LIMIT or time.monotonic() - start > WINDOW - 1 else 0.5)
    # Let in at some moment from when it was sent until it was answered: what surely lay within a minute of one another is counted.
    answered = [one for _, one in passed]
    most = max(bisect.bisect_left(answered, sent + WINDOW) - number for number, (sent, _) in enumerate(passed))
    late = [one for one, _ in passed if told is not None and one >= told]
    wrong = int(most > LIMIT + 1) + int(len([one for one, _ in passed if one < start + WINDOW]) < LIMIT - 1) + int(not late)
    figure("S9", cases=tries, through=wrong, note=f"{tries} calls in {WINDOW + 6:.0f} s, {len(passed)} let through, {most} in the fullest minute of {LIMIT}")
    assert told is not None and not wrong, (most, len(passed), len(late))


def test_what_is_refused_counts_for_nothing(tools, figure):
    key = tools.key("unlucky", role="developer")
    with tools.client(key) as client:
        for _ in range(100):
            # Arguments that are refused and tools that are not allowed take no place.
            assert client.post("/tools/list_files/call", json={"path": 7}).status_code == 422
        left = client.get("/rate-limits/list_files").json()
        passed = sum(called(client)[2].status_code == 200 for _ in range(LIMIT + 10))
    figure("S9", cases=100 + LIMIT + 10, through=int(abs(passed - LIMIT) > 1))
    assert left["remaining"] == LIMIT and abs(passed - LIMIT) <= 1, (left, passed)


@contextlib.contextmanager
def silent(port):
    """Something that listens where a service should be, and never says a word."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(64)
        held, stopped = [], threading.Event()
        listener.settimeout(0.1)

        def accept():
            while not stopped.is_set():
                with contextlib.suppress(TimeoutError):
                    held.append(listener.accept()[0])

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield held
        finally:
            stopped.set()
            thread.join()
            for connection in held:
                connection.close()


def test_as_many_run_at_once_as_the_limit_says(tools, figure):
    at_once = 20  # of ai_chat
    with silent(tools.ports["api-gateway"]), concurrent.futures.ThreadPoolExecutor(at_once + 6) as pool:
        client = tools.client(tools.key("parallel", role="developer"), timeout=60)
        calls = [pool.submit(client.post, "/tools/ai_chat/call", json={"message": "hi"}) for _ in range(at_once + 6)]
        deadline = time.monotonic() + 30
        while sum(call.done() for call in calls) < 6 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        refused = [call.result() for call in calls if call.done()]
        other = pool.submit(tools.call, "ai_chat", {"message": "hi"}, key=tools.key("bystander", role="developer"))
        running = json.loads(client.get("/rate-limits/ai_chat").text)["concurrent_executions"]
        stays = not other.done()
    codes = {answer.json()["code"] for answer in refused}
    wrong = abs(len(refused) - 6)
    figure("S9", cases=len(calls) + 1, through=int(wrong > 1 or codes != {"concurrency_limited"} or not stays), note=f"{running} of {len(calls)} run at once of {at_once}")
    assert wrong <= 1 and running == at_once and codes == {"concurrency_limited"} and stays, (len(refused), running, codes)
