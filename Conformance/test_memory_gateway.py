"""Memory in chats, as the openai package and `maru chat` see it."""

import json
import time
import uuid

import httpx
import openai
import pytest

from stack import SMALL, Stack


@pytest.fixture(scope="module")
def remembering():
    running = Stack(**SMALL)
    try:
        yield running.start()
    finally:
        running.stop()


def client(stack, key="unused", **headers):
    return openai.OpenAI(base_url=stack.url("api-gateway") + "/v1", api_key=key, max_retries=0, timeout=300, default_headers=headers)


def say(client, text, **arguments):
    """The answer with its headers."""
    raw = client.chat.completions.with_raw_response.create(
        model="chat-7b", messages=[{"role": "user", "content": text}], max_tokens=16, temperature=0, **arguments
    )
    return raw.parse(), raw.headers


def kept(stack, text, project=None, key=None, seconds=60):
    """The turn in memory whose question is this; the deadline only ends a run that would hang."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"query": text, "limit": 50, **({"project_id": project} if project else {})}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = httpx.post(stack.url("memory-api") + "/v1/memory/conversations/search", json=body, headers=headers).json()
        for turn in found.get("results", []):
            if turn["user_query"] == text:
                return turn
        time.sleep(0.1)
    raise AssertionError(f"“{text}” is not in memory")


def test_what_was_said_is_recalled_in_another_conversation(remembering):
    chat = client(remembering, **{"X-Memory": "on", "X-Memory-Session": "first"})
    answer, headers = say(chat, "My dog is called Bori")
    assert headers["X-Memory"] == "on" and headers["X-Memory-Used"] == "0"
    turn = kept(remembering, "My dog is called Bori")
    assert turn["ai_response"] == answer.choices[0].message.content
    assert turn["session_id"] == "first" and turn["model_used"] == "chat-7b"
    assert turn["token_count"] == answer.usage.total_tokens

    answer, headers = say(client(remembering), "What is my dog called?", extra_headers={"X-Memory": "on"})
    assert headers["X-Memory"] == "on" and int(headers["X-Memory-Used"]) >= 1
    # The model was given more to read than the question.
    plain, headers = say(client(remembering), "What is my dog called?")
    assert "X-Memory" not in headers
    assert answer.usage.prompt_tokens > plain.usage.prompt_tokens + 20


def test_a_stream_is_kept_whole(remembering):
    parts = client(remembering).chat.completions.create(
        model="chat-7b",
        messages=[{"role": "user", "content": "Count the lighthouses of the coast"}],
        max_tokens=24,
        temperature=0,
        stream=True,
        extra_headers={"X-Memory": "on", "X-Memory-Project": "coast"},
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in parts if chunk.choices)
    assert text.strip()
    assert kept(remembering, "Count the lighthouses of the coast", project="coast")["ai_response"] == text


def test_a_header_that_is_not_understood_is_a_bad_request(remembering):
    with pytest.raises(openai.BadRequestError) as raised:
        say(client(remembering), "hi", extra_headers={"X-Memory": "maybe"})
    assert "X-Memory" in raised.value.body["message"] and raised.value.param == "X-Memory"


def test_a_key_uses_memory_when_it_is_said_to_and_its_user_alone(remembering):
    stack = remembering
    stack.run("user", "add", "carol", "--role", "developer")
    made = json.loads(stack.run("key", "create", "carol", "--name", "chats", "--memory", "on", "--json").stdout)
    assert made["memory"] is True
    carol = client(stack, made["key"])
    # What dev_user said is nothing of hers.
    _, headers = say(carol, "My dog is called Bori, is it not?")
    assert headers["X-Memory"] == "on" and headers["X-Memory-Used"] == "0"
    kept(stack, "My dog is called Bori, is it not?", key=made["key"])
    _, headers = say(carol, "What is my dog called?", extra_headers={"X-Memory": "off"})
    assert "X-Memory" not in headers
    assert [key["memory"] for key in json.loads(stack.run("key", "list", "--json").stdout) if key["prefix"] == made["prefix"]] == [True]
    stack.run("key", "set-memory", made["prefix"], "off")
    _, headers = say(carol, "What is my dog called?")
    assert "X-Memory" not in headers
    told = json.loads(stack.run("audit", "list", "--json").stdout)
    assert f"key {made['prefix']} given memory off" in json.dumps(told, ensure_ascii=False)


def test_maru_chat_remembers_by_itself(remembering):
    stack = remembering
    project = "boat-" + uuid.uuid4().hex[:8]
    words = ["chat", "--memory", "--project", project, "--max-tokens", "8"]
    stack.run(*words, "My", "boat", "is", "called", "Gorae")
    admin = (stack.data / "secrets" / "admin.key").read_text().strip()
    first = kept(stack, "My boat is called Gorae", project=project, key=admin)
    # Line by line it is one conversation.
    stack.run(*words, text_input="Where is my boat?\nAnd where is its anchor?\n")
    turns = [kept(stack, text, project=project, key=admin) for text in ("Where is my boat?", "And where is its anchor?")]
    assert turns[0]["session_id"] == turns[1]["session_id"] != first["session_id"]
    assert stack.run("chat", "--project", project, "hi", check=False).returncode == 64


def test_a_chat_goes_on_without_memory(own_stack):
    stack = own_stack(**SMALL).start("--only", "inference-chat,api-gateway")
    _, headers = say(client(stack), "Are you there?", extra_headers={"X-Memory": "on"})
    assert headers["X-Memory"] == "unavailable" and "X-Memory-Used" not in headers
    result = stack.run("chat", "--memory", "--max-tokens", "4", "hello")
    assert result.stdout.strip() and "Memory does not answer" in result.stderr
