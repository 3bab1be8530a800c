"""The gateway as the openai package sees it."""

import json

import openai
import pytest


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


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="no-such-model", messages=question("hi"))
    assert raised.value.code == "model_not_found"


@pytest.mark.parametrize("body", [{"messages": []}, {"messages": "hi"}, {"messages": question("hi"), "max_tokens": "many"}])
def test_a_bad_body_is_a_bad_request(client, body):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**{"model": "chat-7b", **body})


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
    for _ in range(100):
        try:
            lonely.get("api-gateway", "/livez")
            break
        except OSError:
            __import__("time").sleep(0.1)
    with pytest.raises(openai.InternalServerError) as raised:
        lonely_client.chat.completions.create(model="chat-7b", messages=question("hi"))
    assert raised.value.status_code == 503
    assert int(raised.value.response.headers["retry-after"]) >= 1
