"""The model is exchanged while the stack runs: an administrator asks, another approves, the gateway's answers come from the new one."""

import json

import httpx
import pytest

from stack import SMALL
from toolserver import ToolServer

OTHER = "qwen2.5-coder-0.5b"


@pytest.fixture(scope="module")
def server():
    running = ToolServer(**SMALL)
    try:
        running.run("up", "--only", "inference-chat,embedding,qdrant,api-gateway,rag,mcp-server", timeout=900)
        yield running
    finally:
        running.stop()


def answering(server):
    """The model that answers a chat through the gateway."""
    body = {"model": "chat-7b", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    answer = httpx.post(server.url("api-gateway") + "/v1/chat/completions", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()["model"]


def test_a_model_that_cannot_be_had_is_put_before_nobody(server):
    key = server.key("asker", role="admin")
    for model, status, code in [("nonsense", 404, "model_not_found"), ("../x.gguf", 404, "model_not_found"), ("qwen2.5-coder-7b", 409, "model_unavailable")]:
        answer = server.call("switch_model", {"model_type": "chat", "model": model}, key=key)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert server.call("switch_model", {"model_type": "chat"}, user="dev_user").status_code == 403
    with server.client(server.admin_key) as admin:
        assert admin.get("/api/approvals/pending").json()["pending_approvals"] == []


def test_weakness_21_an_approved_switch_changes_who_answers_until_the_service_starts_again(server):
    key = server.key("switcher", role="admin")
    assert answering(server) == "smollm2-135m"
    switched = server.approved("switch_model", {"model_type": "chat", "model": OTHER}, key=key, timeout=300)
    assert switched.status_code == 200, switched.text
    result = switched.json()["result"]
    assert result["success"] is True and result["current_model"] == OTHER and result["switch_time_seconds"] > 0
    assert "CHAT_MODEL" in result["message"]
    assert answering(server) == OTHER
    current = server.call("get_current_model", {}, user="dev_user").json()["result"]
    assert current["chat_model"] == OTHER and current["code_model"] is None
    told = server.call("get_system_info", {}, key=key).json()["result"]
    status = {service["name"]: service["status"] for service in told["services"]}
    assert status["inference-chat"] == "ok" and status["inference-code"] == "unreachable"
    assert str(server.data) not in str(told)
    server.run("restart", "inference-chat")
    assert answering(server) == "smollm2-135m"


def test_a_switch_tells_how_far_it_is_and_has_answers_of_the_model_before_forgotten(server, tmp_path):
    (tmp_path / "bread.md").write_text("# Bread\n\nOur bread is baked at four in the morning.\n")
    server.run("index", tmp_path)
    # The smallest model does not always say something that the document bears out, and what it does not is not kept.
    for question in ("When is our bread baked?", "At what time is the bread baked?", "When do we bake bread?", "Is bread baked in the morning?"):
        server.run("ask", "--no-stream", question)
        if kept := server.get("rag", "/cache/stats")[1]["total_entries"]:
            break
    assert kept >= 1
    key = server.key("watcher", role="admin")
    call = {"model_type": "chat", "model": OTHER}
    request = server.call("switch_model", call, key=key).json()["request_id"]
    with server.client(server.admin_key) as admin:
        assert OTHER in admin.get(f"/api/v1/approvals/{request}").json()["preview"]
        assert admin.post(f"/api/approvals/{request}/approve", json={"reason": "test"}).status_code == 200
    headers = {"Accept": "text/event-stream", "X-Approval-ID": request}
    with server.client(key, timeout=300) as client, client.stream("POST", "/tools/switch_model/call", json=call, headers=headers) as answer:
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    told = [event["progress"] for event in events if "progress" in event]
    assert told and OTHER in told[0]["message"] and [step["share"] for step in told] == sorted(step["share"] for step in told)
    assert events[-1]["answer"]["body"]["result"]["current_model"] == OTHER, events
    assert "forgotten" in events[-1]["answer"]["body"]["result"]["message"]
    assert server.get("rag", "/cache/stats")[1]["total_entries"] == 0
    server.run("restart", "inference-chat")


def test_what_is_running_cannot_be_switched_by_who_is_no_administrator(server):
    answer = httpx.post(server.url("inference-chat") + "/admin/model", json={"model": OTHER}, timeout=60)
    assert answer.status_code == 403, answer.text
    assert answering(server) == "smollm2-135m"
