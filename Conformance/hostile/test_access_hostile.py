"""S6 and S7: who may call which route and which tool. Without a key, none but the public ones; with one, what rbac_matrix.json says and nothing more."""

import itertools
import json
import pathlib

import httpx
import pytest

import documented
from toolserver import Services

# The routes that answer everybody: whether a service lives and is ready. Nothing is added here without a reason.
PUBLIC = {"/livez", "/health"}
PUBLIC_OF = {
    "qdrant": {"/", "/healthz", "/readyz"},
    "memory-api": {"/v1/memory/health"},
    # Where clients look for tokens, before they have one (RFC 9728).
    "mcp-server": {"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"},
}
GOLDEN = pathlib.Path(__file__).with_name("rbac_matrix.json")


@pytest.fixture(scope="module")
def services():
    running = Services(SECURITY_MODE="production", RATE_LIMIT_ENABLED="false", APPROVAL_MAX_PENDING=10_000)
    (running.workspace / "README.md").write_text("hello\n")
    try:
        yield running.start()
    finally:
        running.stop()


def address(services, service, path, values=()):
    values = {"tool_name": "list_files", "model": "chat-7b", **dict(values)}
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, values.get(part.strip("{}"), "00000000-0000-0000-0000-000000000000"))
    return services.url(service) + path


# -- S6 ----------------------------------------------------------------------------------------------------------------------------------


def forged(services):
    admin = services.admin_key
    return [
        {},
        {"Authorization": f"Bearer {admin}0"},
        {"Authorization": f"Bearer {admin[:-1]}"},
        {"Authorization": f"Basic {admin}"},
        {"Authorization": "Bearer sk-anything"},
        {"X-API-Key": "maru_admin_" + "0" * 64},
        {"X-User-ID": "admin"},
        {"X-User-ID": "dev_user"},
        {"Cookie": f"key={admin}; session=admin"},
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
    ]


@pytest.mark.parametrize("service", Services.ALIVE)
def test_without_a_key_no_route_answers_but_the_public_ones(services, figure, service):
    public = PUBLIC | PUBLIC_OF.get(service, set())
    known = documented.of([service])
    assert {path for _, _, path, who in known if who == "everybody"} == public
    methods = {}
    for _, method, path, _ in known:
        methods.setdefault(path, set()).add(method)
    tried, wrong = 0, []
    with httpx.Client(timeout=30, verify=False) as client:
        for path, method in itertools.product(methods, documented.METHODS):
            for number, headers in enumerate(forged(services)):
                if method not in methods[path] and number > 1:
                    break
                tried += 1
                answer = client.request(method, address(services, service, path), headers=headers)
                if method in methods[path]:
                    good = answer.status_code in ((200, 503) if path in public else (401, 403))
                else:
                    # What is no route is told so to everybody, and does nothing.
                    good = answer.status_code in (404, 405)
                if not good:
                    wrong.append((method, path, sorted(headers), answer.status_code, answer.text[:200]))
        # The key in the query is none: queries end up in logs.
        for path in methods:
            for name in ("key", "api_key", "access_token", "token"):
                tried += 1
                answer = client.get(address(services, service, path), params={name: services.admin_key})
                if "GET" in methods[path] and path not in public and answer.status_code not in (401, 403):
                    wrong.append(("GET", path, name, answer.status_code))
    figure("S6", cases=tried, through=len(wrong), note=f"every documented route × {len(documented.METHODS)} methods of {', '.join(Services.ALIVE)}")
    assert not wrong, wrong


# -- S7 ----------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def callers(services):
    services.run("role", "add", "searcher", "search_files")
    keys = {role: services.key(f"{role}-golden", role=role) for role in ("guest", "developer", "admin", "searcher")}
    keys["service"] = (services.data / "secrets" / "service.key").read_text().strip()
    return {"nobody": services.client(), **{role: services.client(key) for role, key in keys.items()}}


def word(answer):
    """What an answer says about the right to ask; whatever it says about the question."""
    if answer.status_code in (401, 403):
        return "-"
    assert answer.status_code != 429, answer.text
    return "+"


def asked_of_tools(services, callers):
    """Whether each role may call each tool: arguments that no tool takes are looked at after the permission, so nothing runs."""
    offered = [tool["name"] for tool in callers["admin"].get("/tools").json()["tools"]]
    golden = json.loads(GOLDEN.read_text())["tools"]
    found = {}
    for tool in dict.fromkeys([*offered, *golden]):
        answers = {role: client.post(f"/tools/{tool}/call", json={"no such argument": 1}) for role, client in callers.items()}
        if tool in offered:
            assert all(answer.status_code in (401, 403, 422) for answer in answers.values()), tool
            found[tool] = " ".join(role for role, answer in answers.items() if word(answer) == "+")
        else:
            # One that this build does not have is there for nobody.
            assert {role: answer.status_code for role, answer in answers.items()} == {role: 401 if role == "nobody" else 404 for role in answers}, tool
    return found, offered, golden


def test_each_role_may_call_the_tools_of_the_golden_file_and_no_other(services, callers, figure):
    found, offered, golden = asked_of_tools(services, callers)
    different = {tool: (roles, golden.get(tool)) for tool, roles in found.items() if roles != golden.get(tool)}
    # What is listed is what may be called.
    for role, client in callers.items():
        listed = [tool["name"] for tool in client.get("/tools").json()["tools"]] if role != "nobody" else []
        if sorted(listed) != sorted(tool for tool, roles in found.items() if role in roles.split()):
            different[f"list of {role}"] = listed
    figure("S7", cases=len(golden) * len(callers), through=len(different), note=f"{len(callers)} roles × {len(golden)} tools, {len(offered)} of them in this build")
    assert not different, different


def asked_of_routes(services, callers):
    """Whether each route is open to each role, asked with bodies that change nothing. Where a request for approval is named, each role has one of its own."""
    asker = services.client(services.key("asker-golden", role="developer"))
    number = itertools.count()

    def request():
        return asker.post("/tools/write_file/call", json={"path": f"golden-{next(number)}.txt", "content": "x"}).json()["request_id"]

    found = {}
    for service, method, path, _ in documented.of(Services.ALIVE):
        open_to = []
        for role, client in callers.items():
            values = {"id": request()} if path.startswith("/api/") and "{id}" in path else {}
            body = {"action": "approve"} if method == "PUT" and values else {}
            url = address(services, service, path, values)
            answer = client.request(method, url, json=body) if method in ("POST", "PUT", "PATCH") else client.request(method, url)
            # Others' requests are not there for who may not see them.
            hidden = answer.status_code == 404 and values
            if word(answer) == "+" and not hidden:
                open_to.append(role)
        found[f"{service} {method} {path}"] = " ".join(open_to)
    return found


def test_each_route_is_open_to_the_roles_of_the_golden_file_and_no_other(services, callers, figure):
    found = asked_of_routes(services, callers)
    golden = json.loads(GOLDEN.read_text())["routes"]
    different = {route: (found.get(route), golden.get(route)) for route in found.keys() | golden.keys() if found.get(route) != golden.get(route)}
    figure("S7", cases=len(found) * len(callers), through=len(different), note=f"{len(callers)} roles × {len(found)} routes of {', '.join(Services.ALIVE)}")
    assert not different, different
