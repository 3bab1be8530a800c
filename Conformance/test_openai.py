"""The gateway as the openai package sees it."""

import json
import re

import openai
import pytest

from stack import SMALL


@pytest.fixture(scope="module")
def client(stack):
    return openai.OpenAI(base_url=stack.url("api-gateway") + "/v1", api_key="unused", max_retries=0, timeout=300)


def question(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", ["chat-7b", "code-7b"])
def test_a_chat_is_answered_with_usage(client, model):
    answer = client.chat.completions.create(model=model, messages=question("Say hello."), max_tokens=12, temperature=0)
    assert answer.choices[0].message.content.strip()
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert 0 < answer.usage.completion_tokens <= 12


def test_a_stream_gives_the_same_text_as_a_whole_answer(client):
    arguments = dict(model="chat-7b", messages=question("Count from one to five."), max_tokens=24, temperature=0, seed=1)
    whole = client.chat.completions.create(**arguments).choices[0].message.content
    chunks = list(client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **arguments))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == whole
    assert len(chunks) > 3
    assert chunks[-1].usage.completion_tokens > 0


def test_a_korean_stream_breaks_no_character(client):
    arguments = dict(model="chat-7b", messages=question("한국의 수도를 한 문장으로 소개해 줘."), max_tokens=40, temperature=0, seed=1)
    whole = client.chat.completions.create(**arguments).choices[0].message.content
    parts = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(stream=True, **arguments) if chunk.choices]
    assert re.search("[가-힣]", whole)
    assert "".join(parts).rstrip("\ufffd") == whole.rstrip("\ufffd")
    assert "\ufffd" not in "".join(parts)[:-1]


def test_a_prompt_is_completed(client):
    answer = client.completions.create(model="code-7b", prompt="def add(a, b):\n    return", max_tokens=6, temperature=0)
    assert "a + b" in answer.choices[0].text
    assert answer.usage.completion_tokens > 0


def test_tools_pass_through(client):
    tool = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    answer = client.chat.completions.create(
        model="chat-7b",
        messages=question("What is the weather in Seoul? Use the tool."),
        tools=[tool],
        tool_choice="required",
        max_tokens=64,
        temperature=0,
    )
    # The half-billion model knows the call but often writes it as text, without the marks that make the engine report it as one. That the
    # tools reached it shows in either.
    message = answer.choices[0].message
    told = message.tool_calls[0].function.name if message.tool_calls else message.content
    assert "get_weather" in told


def test_an_answer_keeps_to_a_json_schema(client):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="chat-7b",
        messages=question("Invent a person."),
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}},
        max_tokens=80,
        temperature=0,
    )
    person = json.loads(answer.choices[0].message.content)
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)


def test_embeddings_come_in_order_and_alike_in_both_formats(client):
    texts = ["고양이가 소파에서 잔다.", "A cat sleeps on the sofa.", "The quarterly budget was approved."]
    encoded = client.embeddings.create(model="embedding", input=texts)
    plain = client.embeddings.create(model="embedding", input=texts, encoding_format="float")
    assert [item.index for item in encoded.data] == [0, 1, 2]
    for left, right in zip(encoded.data, plain.data):
        assert left.embedding == pytest.approx(right.embedding, abs=1e-6)
    vectors = [item.embedding for item in plain.data]
    similarity = lambda a, b: sum(x * y for x, y in zip(a, b))
    assert len(vectors[0]) == 384
    assert similarity(vectors[0], vectors[1]) > similarity(vectors[0], vectors[2])
    assert encoded.usage.prompt_tokens > 0


def test_the_models_are_listed_under_their_aliases(client):
    assert {"chat-7b", "code-7b", "embedding"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("chat-7b").id == "chat-7b"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


@pytest.mark.parametrize("texts", [[], [1.5], "x " * 20_000, ["fine", "x " * 20_000], ["x"] * 5_000], ids=lambda texts: repr(texts)[:20])
def test_texts_that_cannot_be_embedded_are_refused(client, texts):
    """Nothing is truncated, and nothing left out, without a word."""
    with pytest.raises(openai.APIStatusError) as raised:
        client.embeddings.create(model="embedding", input=texts)
    assert raised.value.status_code in (400, 413, 422)
    assert raised.value.body["message"]


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="no-such-model", messages=question("hi"))
    assert raised.value.code == "model_not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": "hi"},
        {"messages": [{"content": "hi"}]},
        {"messages": question("hi"), "max_tokens": "many"},
        {"messages": question("hi"), "max_tokens": -5},
        {"messages": question("hi"), "temperature": "hot"},
        {"messages": question("hi"), "extra_body": {"stream": "yes"}},
        {"messages": question("hi"), "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no such type"}}}},
    ],
)
def test_a_bad_body_is_a_bad_request(client, body):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**{"model": "chat-7b", **body})
    assert raised.value.body["message"]


def test_a_bad_request_for_a_stream_is_refused_before_any_event(client):
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="no-such-model", messages=question("hi"), stream=True)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="chat-7b", messages=[], stream=True)


def test_a_prompt_past_the_context_is_a_bad_request_and_not_the_end_of_the_model(client):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="chat-7b", messages=question("word " * 20_000), max_tokens=4)
    assert client.chat.completions.create(model="chat-7b", messages=question("hi"), max_tokens=2).usage.completion_tokens > 0


def test_a_body_past_the_bound_is_too_large(client):
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="chat-7b", messages=question("x" * 17_000_000))
    assert raised.value.status_code == 413


def test_a_wrong_key_is_refused(client):
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="maru_admin_0").models.list()


def test_without_upstreams_it_is_unavailable_and_says_when_to_come_back(own_stack):
    lonely = own_stack()
    lonely.start("--only", "api-gateway", "--no-wait")
    lonely_client = openai.OpenAI(base_url=lonely.url("api-gateway") + "/v1", api_key="unused", max_retries=0)
    lonely.wait_alive("api-gateway")
    for call in (
        lambda: lonely_client.chat.completions.create(model="chat-7b", messages=question("hi")),
        lambda: lonely_client.chat.completions.create(model="chat-7b", messages=question("hi"), stream=True),
        lambda: lonely_client.embeddings.create(model="embedding", input=["hi"]),
    ):
        with pytest.raises(openai.InternalServerError) as raised:
            call()
        assert raised.value.status_code == 503
        assert int(raised.value.response.headers["retry-after"]) >= 1


def test_a_model_can_be_asked_for_by_its_own_name_by_who_never_listed_them(own_stack):
    small = own_stack(**SMALL)
    small.start("--only", "inference-chat,api-gateway", "--no-wait")
    small.wait_ready("api-gateway")
    client = openai.OpenAI(base_url=small.url("api-gateway") + "/v1", api_key="unused", max_retries=0)
    answer = client.chat.completions.create(model="smollm2-135m", messages=question("Say hello."), max_tokens=4)
    assert answer.usage.completion_tokens > 0
    assert "smollm2-135m" in {model.id for model in client.models.list()}
