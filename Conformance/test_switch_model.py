"""The model is exchanged while the stack runs: an administrator asks, another approves, the gateway's answers come from the new one."""

import httpx
import pytest

from stack import SMALL
from toolserver import ToolServer

OTHER = "qwen2.5-coder-0.5b"


@pytest.fixture(scope="module")
def server():
    running = ToolServer(**SMALL)
    try:
        running.run("up", "--only", "inference-chat,api-gateway,mcp-server", timeout=900)
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


def test_what_is_running_cannot_be_switched_by_who_is_no_administrator(server):
    answer = httpx.post(server.url("inference-chat") + "/admin/model", json={"model": OTHER}, timeout=60)
    assert answer.status_code == 403, answer.text
    assert answering(server) == "smollm2-135m"
