"""What a client sees while the model behind the gateway dies."""

import concurrent.futures
import json
import time

import httpx
import pytest

from stack import SMALL, Stack


@pytest.fixture(scope="module")
def models():
    """Two small models behind a gateway; tests kill them and see them come back."""
    running = Stack(**SMALL)
    try:
        yield running.start("--only", "inference-chat,inference-code,api-gateway")
    finally:
        running.stop()


def stream(stack, **extra):
    body = {
        "model": "chat-7b",
        "messages": [{"role": "user", "content": "Write a very long story about a lighthouse."}],
        "max_tokens": 1_000,
        "stream": True,
        **extra,
    }
    return httpx.stream("POST", stack.url("api-gateway") + "/v1/chat/completions", json=body, timeout=300)


def ask(stack, **extra):
    body = {"model": "chat-7b", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1, **extra}
    return httpx.post(stack.url("api-gateway") + "/v1/chat/completions", json=body, timeout=300)


def events_until_killed(stack, pid):
    """What a stream tells when a process is killed after its third event."""
    events = []
    with stream(stack) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if not line.startswith("data: "):
                continue
            events.append(line[6:])
            if len(events) == 3:
                stack.kill(pid)
    return events


def answered_by(stack, upstream):
    """How many requests of the gateway an upstream has answered."""
    try:
        return stack.metric("api-gateway", "gateway_upstream_requests_total", upstream=upstream, outcome="answered")
    except AssertionError:
        return 0.0


def wait_until(true, what, seconds=120):
    """The deadline only ends a run that would hang."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not after {seconds} s: {what}"
        time.sleep(0.05)


def wait_until_primary_answers(stack):
    """The gateway passes a failed upstream over for a while; then the next request tries it again."""
    before = answered_by(stack, "inference-chat")

    def is_back():
        assert ask(stack).status_code == 200
        return answered_by(stack, "inference-chat") > before

    wait_until(is_back, "requests go to the primary again")


def test_a_killed_model_ends_the_stream_with_an_error_and_the_fallback_serves_at_once(models, record_property):
    assert ask(models).status_code == 200
    killed = models.engine_pid("inference-chat")
    fallback = answered_by(models, "inference-code")
    events = events_until_killed(models, killed)
    assert json.loads(events[-1])["error"]["message"]
    assert all("error" not in json.loads(event) for event in events[:-1])
    assert "[DONE]" not in events

    # The answer's own generation is left out: the head of a stream tells when the fallback took over.
    started = time.monotonic()
    with stream(models, max_tokens=1, messages=[{"role": "user", "content": "hi"}]) as answer:
        assert answer.status_code == 200
        next(answer.iter_lines())
    record_property("seconds_until_the_fallback_answers", round(time.monotonic() - started, 3))
    print(f"served by the fallback after {time.monotonic() - started:.3f} s")
    assert answered_by(models, "inference-code") == fallback + 1
    assert models.metric("api-gateway", "gateway_failovers_total", upstream="inference-code") >= 1

    models.wait_ready("inference-chat")
    assert models.engine_pid("inference-chat") != killed
    wait_until_primary_answers(models)


def test_a_whole_answer_that_had_not_begun_comes_from_the_fallback_when_its_model_is_killed(models):
    models.wait_ready("inference-chat")
    wait_until_primary_answers(models)
    fallback = answered_by(models, "inference-code")
    before = requests_in_work(models)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, models, messages=[{"role": "user", "content": "Write a very long story."}], max_tokens=200, seed=1)
        wait_until(lambda: requests_in_work(models) > before or asked.done(), "the request is at work")
        models.kill(models.engine_pid("inference-chat"))
        answer = asked.result(timeout=300)
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"].strip()
    assert answered_by(models, "inference-code") == fallback + 1
    models.wait_ready("inference-chat")
    wait_until_primary_answers(models)


def test_a_killed_service_takes_its_engine_along_and_comes_back(models):
    models.wait_ready("inference-chat")
    wait_until_primary_answers(models)
    service, engine = models.recorded_pid("inference-chat"), models.engine_pid("inference-chat")
    assert service != engine
    events = events_until_killed(models, service)
    assert json.loads(events[-1])["error"]["message"] and "[DONE]" not in events
    assert ask(models).status_code == 200
    wait_until(lambda: not is_running(engine), "the engine of the killed service ends")
    wait_until(lambda: models.recorded_pid("inference-chat") != service if recorded(models) else False, "the service is started again")
    models.wait_ready("inference-chat")
    assert models.engine_pid("inference-chat") != engine
    wait_until_primary_answers(models)


def recorded(stack):
    return (stack.data / "run" / "inference-chat.pid").exists()


def is_running(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_with_both_models_killed_it_is_unavailable_and_then_serves_again(models):
    for service in ("inference-chat", "inference-code"):
        models.wait_ready(service)
    # Services that are stopped and do not answer: the engines alone would be back too soon to be missed.
    pids = [models.recorded_pid(service) for service in ("inference-chat", "inference-code")]
    for pid in pids:
        models.kill(pid)
    answer = ask(models)
    if answer.status_code != 200:  # unless one was back already
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["error"]["code"] == "no_upstream"
    for service in ("inference-chat", "inference-code"):
        models.wait_ready(service)
    wait_until(lambda: ask(models).status_code == 200, "it serves again")


def test_a_client_that_leaves_stops_the_generation(models):
    models.wait_ready("inference-chat")
    wait_until_primary_answers(models)
    wait_until(lambda: requests_in_work(models) == 0, "nothing is at work")
    with stream(models) as answer:
        next(answer.iter_lines())
        # It can be seen at work: otherwise not seeing it afterwards would prove nothing.
        assert requests_in_work(models) == 1
        engine = models.engine_pid("inference-chat")
        assert ticks(engine) > 0
    wait_until(lambda: requests_in_work(models) == 0, "the request is given up", seconds=20)
    # Nor does the engine go on computing for nobody: it comes to rest long before a thousand tokens.
    wait_until(lambda: ticks(engine) == (time.sleep(0.5), ticks(engine))[1], "the engine rests", seconds=20)
    assert ask(models).status_code == 200


def ticks(pid):
    """Processor time that a process has used, in the kernel's unit."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def requests_in_work(stack):
    return stack.metric("inference-chat", "relay_requests_in_progress", service="inference-chat")
