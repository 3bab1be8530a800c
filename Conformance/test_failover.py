"""What a client sees while the model behind the gateway dies."""

import time

import httpx
import json


def stream(stack, **extra):
    body = {
        "model": "chat-7b",
        "messages": [{"role": "user", "content": "Write a very long story about a lighthouse."}],
        "max_tokens": 400,
        "stream": True,
        **extra,
    }
    return httpx.stream("POST", stack.url("api-gateway") + "/v1/chat/completions", json=body, timeout=300)


def ask(stack):
    body = {"model": "chat-7b", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
    return httpx.post(stack.url("api-gateway") + "/v1/chat/completions", json=body, timeout=300)


def test_a_killed_model_ends_the_stream_with_an_error_and_the_fallback_serves_at_once(stack):
    killed = stack.engine_pid("inference-chat")
    events = []
    with stream(stack) as answer:
        for line in answer.iter_lines():
            if not line.startswith("data: "):
                continue
            events.append(line[6:])
            if len(events) == 3:
                stack.kill(killed)
    assert "error" in json.loads(events[-1])
    assert "[DONE]" not in events

    # The answer's own generation is left out: the head of a stream tells when the fallback took over.
    started = time.monotonic()
    with stream(stack, max_tokens=1, messages=[{"role": "user", "content": "hi"}]) as answer:
        assert answer.status_code == 200
        next(answer.iter_lines())
    print(f"served by the fallback after {time.monotonic() - started:.3f} s")

    stack.wait_ready("inference-chat")
    assert stack.engine_pid("inference-chat") != killed
    assert ask(stack).status_code == 200


def test_a_client_that_leaves_stops_the_generation(stack):
    before = requests_in_work(stack)
    with stream(stack) as answer:
        next(answer.iter_lines())
    deadline = time.monotonic() + 20
    while requests_in_work(stack) > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert requests_in_work(stack) == before
    assert ask(stack).status_code == 200


def requests_in_work(stack):
    metrics = httpx.get(stack.url("inference-chat") + "/metrics").text
    lines = [line for line in metrics.splitlines() if line.startswith("inference_requests_in_progress")]
    return float(lines[0].split()[-1]) if lines else 0.0
