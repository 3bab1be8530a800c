"""S3: what one user has said, indexed, asked or been answered is told to no other, by whatever way the other asks for it.

Each of two users has a word that nobody else knows, in everything that is his: memories, documents, answers that are kept, prompts, vectors,
backups. Whatever the other is answered, every byte of it, is searched for that word. Where something is plainly somebody else's, an answer that is
no refusal counts as well.
"""

import collections
import http.client
import json
import random
import secrets
import shutil
import threading
import urllib.parse

import pytest

import documented
from memorystack import MemoryStack, eventually
from stack import SMALL

# Of both users together, and how many run at once.
REQUESTS = 20_000
THREADS = 8
SEED = 3
SERVICES = ("embedding", "qdrant", "api-gateway", "inference-chat", "rag", "memory-api")
USERS = ("alice", "bob")
# A question that the documents of both answer, each in his own way.
QUESTION = "What is the code word of the harbour gate?"


class Asked:
    """A connection of a user to each service: what comes back is searched for what is the other's. Plainer than httpx, since it is made thousands of times."""

    def __init__(self, stack, user):
        self.stack, self.user = stack, user
        self.other = USERS[1 - USERS.index(user)]
        self.own_word, self.other_word = (stack.words[name].encode() for name in (user, self.other))
        self.headers = {"Authorization": f"Bearer {stack.keys[user]}", "Content-Type": "application/json"}
        self.connections = {}
        self.count = 0
        # Answers that hold what is the other's, and such as should have been refused or went wrong.
        self.wrong = []
        # Ways by which the own word came back.
        self.seen = collections.Counter()
        self.statuses = collections.Counter()

    def __call__(self, what, service, method, path, body=None, refused=(), headers={}):
        """- refused: the statuses that an answer must have, where what is asked for is the other's."""
        if service not in self.connections:
            self.connections[service] = http.client.HTTPConnection("127.0.0.1", self.stack.ports[service], timeout=120)
        connection = self.connections[service]
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, body=content, headers={**self.headers, **headers})
            answer = connection.getresponse()
            status, head, text = answer.status, str(answer.headers).encode(), answer.read()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            status, head, text = 0, b"", str(error).encode()
        self.count += 1
        self.statuses[what, status] += 1
        if self.other_word in (head + text).lower():
            self.wrong.append(f"{self.user} is shown what is {self.other}'s: {method} {service}{path} {str(body)[:200]} → {status}")
        elif refused and status not in refused:
            self.wrong.append(f"{self.user} is not refused: {method} {service}{path} {str(body)[:200]} → {status} {text[:200]}")
        elif status == 0 or (status >= 500 and status not in (501, 503)):
            self.wrong.append(f"{self.user}: {method} {service}{path} {str(body)[:200]} → {status} {text[:200]}")
        if self.own_word in text.lower():
            self.seen[what] += 1
        return status, text

    def told(self, *arguments, **more):
        status, text = self(*arguments, **more)
        return json.loads(text) if status == 200 else None


@pytest.fixture(scope="module")
def stack():
    running = MemoryStack(*SERVICES, SECURITY_MODE="production", MAX_CONCURRENT_REQUESTS=256, **SMALL)
    try:
        running.start()
        running.keys = {user: running.key(user, role="developer") for user in USERS}
        # Hex digits of a length that stands nowhere by chance.
        running.words = {user: "kx" + secrets.token_hex(6) for user in USERS}
        for user in USERS:
            plant(running, user)
        with running.client(running.service_key, base="qdrant") as service:
            running.snapshots = {user: service.post(f"/collections/memory_user-{user}/snapshots").json()["result"]["name"] for user in USERS}
            # Whoever may see it sees the word there: a leak of vectors would be noticed.
            for user in USERS:
                assert running.words[user] in service.get(f"/collections/memory_user-{user}/points/1").text
                assert running.words[user].encode() in service.get(f"/collections/memory_user-{user}/snapshots/{running.snapshots[user]}").content
        yield running
    finally:
        shutil.rmtree(papers(running), ignore_errors=True)
        running.stop()


def papers(stack):
    """Where documents lie: not among what the stack keeps."""
    folder = stack.data.with_name(stack.data.name + "-papers")
    folder.mkdir(exist_ok=True)
    return folder


def plant(stack, user):
    word = stack.words[user]
    with stack.memory(stack.keys[user]) as memory:
        for project in (f"user-{user}", f"{user}-notes"):
            for number in range(20):
                memory.save(f"plum {number}: what did I call the boat?", f"{word}-{number} is what you called it.", project_id=project, importance_score=10, tags=[word], session_id=f"{word}-session")
            memory.done("POST", f"/projects/{project}/facts", {"fact": f"The boat is called {word}"})
            memory.done("POST", f"/projects/{project}/preferences", {"key": "name of the boat", "value": word})
            memory.done("POST", f"/projects/{project}/backup", {"backup_type": "all"})
            memory.wait_in_step(project)
    folder = papers(stack) / f"papers-{user}"
    folder.mkdir()
    (folder / "gate.md").write_text(f"# The harbour gate\n\nThe code word of the harbour gate is {word}. Say {word} at the gate.\n")
    asked = Asked(stack, user)
    indexed = asked.told("index", "rag", "POST", "/index", {"path": str(folder), "collection": f"papers-{user}"})
    assert indexed and indexed["failed"] == [], asked.wrong
    assert not asked.wrong, asked.wrong


OF_PROJECTS = [(method, path) for _, method, path, _ in documented.of(["memory-api"]) if "{id}" in path]
OF_COLLECTIONS = [(method, path) for _, method, path, _ in documented.of(["qdrant"]) if "{collection}" in path]
VECTOR = [0.05] * 384


def vector_body(method, path, collection):
    if method not in ("POST", "PUT", "PATCH"):
        return None
    last = path.rsplit("/", 1)[-1]
    if path.endswith("/payload/delete"):
        return {"points": [1], "keys": ["user_query"]}
    return {
        "points": {"ids": [1, 2], "with_payload": True} if method == "POST" else {"points": [{"id": 1, "vector": VECTOR}]},
        "delete": {"points": [1]}, "payload": {"points": [1], "payload": {"a": 1}}, "clear": {"points": [1]}, "scroll": {"limit": 10},
        "count": {}, "query": {"query": VECTOR, "with_payload": True}, "batch": {"searches": [{"query": VECTOR, "with_payload": True}]},
        "search": {"vector": VECTOR, "limit": 5, "with_payload": True}, "snapshots": {},
        "recover": {"location": f"http://127.0.0.1/collections/{collection}/snapshots/x.snapshot"}, "upload": {},
        "index": {"field_name": "user_query", "field_schema": "keyword"},
    }.get(last, {"vectors": {"size": 384, "distance": "Cosine"}})  # fmt: skip


# -- Ways that are thought out ----------------------------------------------------------------------------------------------------------


def both(stack):
    return [Asked(stack, user) for user in USERS]


def counted(figure, asked, note):
    wrong = [problem for one in asked for problem in one.wrong]
    figure("S3", cases=sum(one.count for one in asked), through=len(wrong), note=note)
    assert not wrong, wrong[:10]


def test_vectors_of_memory_are_reached_by_no_route_and_no_spelling(stack, figure):
    asked = both(stack)
    for one in asked:
        name, snapshot = f"memory_user-{one.other}", stack.snapshots[one.other]
        assert one.told("make", "qdrant", "PUT", f"/collections/mine-{one.user}", {"vectors": {"size": 384, "distance": "Cosine"}})
        listed = one.told("list", "qdrant", "GET", "/collections")["result"]["collections"]
        assert not [entry for entry in listed if entry["name"].startswith("memory_")], listed
        spellings = [name, f"%6d{name[1:]}", name.replace("_", "%5f"), f"x%2f..%2f{name}", f"%2e%2e%2fcollections%2f{name}", f"{name}%00", f"%00{name}", f"{name}%20", f"./{name}", f"{name}/", f"/{name}", name.upper(), name.replace("m", "ｍ").encode().hex()]
        for method, path in OF_COLLECTIONS:
            for spelling in spellings:
                filled = path.replace("{collection}", spelling).replace("{id}", "1").replace("{field}", "user_query").replace("{snapshot}", snapshot)
                # What names no collection of memory may be made; it holds nothing.
                one("vectors", "qdrant", method, filled, vector_body(method, path, name), refused=(403, 404) if spelling == name else ())
        mine = f"/collections/mine-{one.user}"
        here = stack.url("qdrant")
        folder = stack.data / "vectors"
        for location in (
            f"{here}/collections/{name}/snapshots/{snapshot}", f"/collections/{name}/snapshots/{snapshot}", f"{here}/collections/%6demory_user-{one.other}/snapshots/{snapshot}",
            f"{here}/collections/x%2F..%2F{name}/snapshots/{snapshot}", f"{here}/collections/mine-{one.user}/snapshots/..%2F..%2F{name}%2F{snapshot}",
            f"{here}/collections/mine-{one.user}/snapshots/../{name}/{snapshot}", f"file://{folder}/{name}/{snapshot}",
            *(f"file://{path}" for path in sorted(folder.rglob("*.snapshot")) if f"memory_user-{one.other}" in str(path)),
        ):  # fmt: skip
            one("recover", "qdrant", "PUT", f"{mine}/snapshots/recover", {"location": location}, refused=(400, 403, 404, 422))
            one("scroll", "qdrant", "POST", f"{mine}/points/scroll", {"limit": 100})
        for path in (f"{mine}/snapshots/..%2f{name}%2f{snapshot}", f"{mine}/snapshots/{snapshot}", f"{mine}/snapshots/..%2f..%2f{name}%2fpoints.db"):
            one("download", "qdrant", "GET", path, refused=(400, 403, 404, 422))
        for alias in ("mine-alias", f"papers-{one.user}"):
            one("alias", "qdrant", "POST", "/collections/aliases", {"actions": [{"create_alias": {"collection_name": name, "alias_name": alias}}]}, refused=(403, 404, 405, 501))
            one("by alias", "qdrant", "POST", f"/collections/{alias}/points/scroll", {"limit": 100})
        for body in (
            {"query": 1, "lookup_from": {"collection": name}}, {"query": {"recommend": {"positive": [1]}}, "lookup_from": {"collection": name}},
            {"prefetch": [{"query": 1, "lookup_from": {"collection": name}}], "query": {"fusion": "rrf"}},
        ):  # fmt: skip
            one("lookup", "qdrant", "POST", f"{mine}/points/query", {**body, "with_payload": True, "with_vector": True})
        one("copy", "qdrant", "PUT", f"/collections/copy-{one.user}", {"vectors": {"size": 384, "distance": "Cosine"}, "init_from": {"collection": name}})
        one("copied", "qdrant", "POST", f"/collections/copy-{one.user}/points/scroll", {"limit": 100})
        one("cluster", "qdrant", "GET", "/cluster")
        one("telemetry", "qdrant", "GET", "/telemetry?details_level=10")
        one("all snapshots", "qdrant", "GET", "/snapshots")
        one("make all snapshots", "qdrant", "POST", "/snapshots")
        for made in one.told("list", "qdrant", "GET", "/collections")["result"]["collections"]:
            if not made["name"].startswith("papers-"):
                one("made", "qdrant", "POST", f"/collections/{urllib.parse.quote(made['name'], safe='')}/points/scroll", {"limit": 100})
    counted(figure, asked, f"{len(OF_COLLECTIONS)} routes of the vector store, spellings of names, snapshots, aliases, look-ups")
    for user in USERS:
        assert len(stack.points(f"user-{user}")) >= 20


def test_a_name_that_was_given_up_takes_nothing_with_it(stack, figure):
    asked = both(stack)
    for one in asked:
        project = f"given-up-by-{one.other}"
        with stack.memory(stack.keys[one.other]) as owner:
            for number in range(3):
                owner.save(f"plum {number}", f"{stack.words[one.other]} is secret", project_id=project, importance_score=10)
            owner.done("POST", f"/projects/{project}/facts", {"fact": f"It is {stack.words[one.other]}"})
            owner.wait_in_step(project)
            backups = [entry["name"] for entry in owner.done("POST", f"/projects/{project}/backup", {"backup_type": "all"})["backups"]]
            owner.done("DELETE", f"/projects/{project}")
        path = f"/v1/memory/projects/{project}"
        one("take", "memory-api", "POST", "/v1/memory/conversations", {"user_query": "q", "ai_response": "a", "project_id": project})
        one("backups", "memory-api", "GET", f"{path}/backups")
        for name in backups:
            one("restore", "memory-api", "POST", f"{path}/restore", {"backup": name}, refused=(403, 404, 422))
        for read in ("conversations", "facts", "export", "stats", "backups", "sync/queue"):
            one("read", "memory-api", "GET", f"{path}/{read}")
        for way in (False, True):
            one("search", "memory-api", "POST", "/v1/memory/conversations/search", {"query": "plum secret", "project_id": project, "use_vector_search": way})
        one("recall", "memory-api", "POST", "/v1/memory/recall", {"query": "plum secret", "project_id": project})
    counted(figure, asked, "projects that one gave up and the other took the name of")


# -- The mix -----------------------------------------------------------------------------------------------------------------------------


class Mix:
    """One of several clients of a user, which asks whatever comes to its mind."""

    def __init__(self, stack, user, number):
        self.asked = Asked(stack, user)
        self.user, self.other, self.word = user, self.asked.other, stack.words[user]
        self.stack = stack
        self.random = random.Random(f"{SEED} {user} {number}")
        self.made = []
        kinds = [(kind, weight) for kind, weight in self.WEIGHTS.items()]
        self.kinds, self.weights = zip(*kinds)

    # How many of ten thousand. What has to be embedded or answered by a model costs a hundred times what the rest does.
    WEIGHTS = {
        "foreign_project": 3_600, "foreign_body": 900, "foreign_vectors": 1_300, "get": 1_150, "list_some": 450, "search": 500, "stats": 300,
        "save": 220, "patch": 60, "delete": 150, "learnt": 300, "projects": 120, "export": 20, "hybrid": 30, "recall": 20, "take_in": 25,
        "upkeep": 60, "backup": 4, "kept_answer": 200, "passages": 25, "collections": 120, "bad": 150, "told_to_all": 210, "engine": 70, "chat": 20,
    }  # fmt: skip

    def run(self, count):
        for _ in range(count):
            kind = self.random.choices(self.kinds, self.weights)[0]
            getattr(self, kind)()

    def memory(self, what, method, path, body=None, **more):
        return self.asked(what, "memory-api", method, "/v1/memory" + path, body, **more)

    def own(self):
        return self.random.choice((f"user-{self.user}", f"{self.user}-notes"))

    def others(self):
        return self.random.choice((f"user-{self.other}", f"{self.other}-notes"))

    def text(self):
        return f"plum {self.random.randrange(40)} {self.random.choice(('boat', 'gate', 'mast', '항구', '배 이름'))}"

    def foreign_project(self):
        method, path = self.random.choice(OF_PROJECTS)
        path = path.replace("{id}", self.others()).replace("{conversation_id}", str(self.random.randint(1, 60)))
        path = path.replace("{kind}", self.random.choice(("facts", "preferences", "summaries"))).replace("{entry}", "1")
        last = path.rsplit("/", 1)[-1]
        body = {
            "restore": {"backup": f"daily/user-{self.other}_2026-01-01.db"}, "import": {"conversations": [{"user_query": "q", "ai_response": "a"}]},
            "facts": {"fact": "x"}, "preferences": {"key": "k", "value": "v"}, "backup": {"backup_type": "db"},
        }.get(last, {"user_query": "mine"} if method == "PATCH" else {})  # fmt: skip
        self.asked("foreign project", "memory-api", method, path, body if method in ("POST", "PATCH") else None, refused=(404,))

    def foreign_body(self):
        path, body = self.random.choice((
            ("/conversations/search", {"query": self.text()}), ("/conversations/search", {"query": self.text(), "use_vector_search": True}),
            ("/conversations/search", {"session_id": "x"}), ("/recall", {"query": self.text()}), ("/conversations", {"user_query": "q", "ai_response": "a"}),
        ))  # fmt: skip
        if self.random.random() < 0.3 and path != "/conversations/search":
            return self.memory("foreign user", "POST", path, {**body, "user_id": self.other}, refused=(403,))
        return self.memory("foreign project in a body", "POST", path, {**body, "project_id": self.others()}, refused=(404,))

    def foreign_vectors(self):
        method, path = self.random.choice(OF_COLLECTIONS)
        path = path.replace("{collection}", f"memory_{self.others()}").replace("{id}", "1").replace("{field}", "user_query")
        path = path.replace("{snapshot}", self.stack.snapshots[self.other])
        self.asked("foreign vectors", "qdrant", method, path, vector_body(method, path, f"memory_user-{self.other}"), refused=(403, 404))

    def get(self):
        self.memory("get", "GET", f"/projects/{self.own()}/conversations/{self.random.randint(1, 30)}")

    def list_some(self):
        self.memory("list", "GET", f"/projects/{self.own()}/conversations?limit={self.random.randint(1, 6)}&offset={self.random.randrange(30)}")

    def search(self):
        body = {"query": self.text(), "project_id": self.own(), "use_vector_search": False, "limit": self.random.randint(1, 5)}
        if self.random.random() < 0.3:
            body.pop("project_id")
        if self.random.random() < 0.2:
            body.pop("query")
        if self.random.random() < 0.2:
            body |= self.random.choice(({"tags": [self.word]}, {"importance_min": 9}, {"session_id": f"{self.word}-session"}))
        self.memory("search by words", "POST", "/conversations/search", body)

    def stats(self):
        self.memory("stats", "GET", f"/projects/{self.own()}/stats")

    def save(self):
        project = self.own()
        status, text = self.memory("save", "POST", "/conversations", {"user_query": self.text(), "ai_response": f"{self.word} said so", "project_id": project})
        if status == 200:
            self.made.append((project, json.loads(text)["conversation_id"]))

    def patch(self):
        if self.made:
            project, number = self.random.choice(self.made)
            self.memory("patch", "PATCH", f"/projects/{project}/conversations/{number}", {"ai_response": f"{self.word} said otherwise"})
        else:
            self.save()

    def delete(self):
        if self.made:
            project, number = self.made.pop(self.random.randrange(len(self.made)))
            self.memory("delete", "DELETE", f"/projects/{project}/conversations/{number}")
        else:
            self.save()

    def learnt(self):
        self.memory("learnt", "GET", f"/projects/{self.own()}/{self.random.choice(('facts', 'preferences', 'summaries', 'backups', 'sync/queue'))}")

    def projects(self):
        self.memory("projects", "GET", "/projects")

    def export(self):
        self.memory("export", "GET", f"/projects/{self.own()}/export")

    def hybrid(self):
        self.memory("search by both", "POST", "/conversations/search", {"query": self.text(), **self.random.choice(({}, {"use_vector_search": True}))})

    def recall(self):
        self.memory("recall", "POST", "/recall", {"query": self.text()})

    def take_in(self):
        self.memory("import", "POST", f"/projects/{self.own()}/import", {"project_id": self.others(), "conversations": [{"id": 1, "user_query": f"plum 1 {self.word}", "ai_response": "taken in", "timestamp": "2026-01-01T00:00:00Z", "importance_score": 10}]})

    def upkeep(self):
        self.memory("upkeep", *self.random.choice((("POST", f"/projects/{self.own()}/cleanup", {}), ("GET", "/maintenance", None), ("POST", f"/projects/{self.own()}/sync/retry", {}))))

    def backup(self):
        self.memory("backup", "POST", f"/projects/{self.own()}/backup", {"backup_type": "db"})

    def kept_answer(self):
        self.asked("kept answer", "rag", "POST", "/query", {"query": QUESTION, "collection": f"papers-{self.user}"})

    def passages(self):
        self.asked("passages", "rag", "POST", "/search", {"query": self.text() + " harbour gate", "collection": f"papers-{self.user}", "topk": 5})

    def collections(self):
        self.asked("collections", *self.random.choice((("qdrant", "GET", "/collections"), ("qdrant", "GET", "/aliases"), ("rag", "GET", "/collections"), ("rag", "GET", "/analytics?hours=1"), ("rag", "GET", "/cache/stats"))))

    def bad(self):
        self.asked("bad", *self.random.choice((
            ("memory-api", "POST", "/v1/memory/conversations", b"{"), ("memory-api", "POST", "/v1/memory/conversations/search", {"query": 7}),
            ("memory-api", "GET", "/v1/memory/projects/..%2fprojects%2fuser-" + self.other + "/conversations"), ("memory-api", "GET", "/v1/memory/nothing"),
            ("memory-api", "POST", "/v1/memory/recall", {"owner": self.other}), ("rag", "POST", "/query", b"[]"), ("rag", "POST", "/search", {"query": QUESTION, "collection": "none"}),
            ("qdrant", "POST", "/collections/none/points/query", {"query": "x"}), ("api-gateway", "POST", "/v1/chat/completions", {"model": "none"}),
        )))  # fmt: skip

    def told_to_all(self):
        service = self.random.choice(SERVICES)
        self.asked("told to all", service, "GET", self.random.choice(("/metrics", "/health", "/livez")))

    def engine(self):
        self.asked("engine", "inference-chat", *self.random.choice((("GET", "/slots"), ("GET", "/slots/0"), ("POST", "/slots/0?action=save", {"filename": "x"}), ("GET", "/props"), ("GET", "/v1/models"), ("POST", "/tokenize", {"content": "boat"}))))

    def chat(self):
        """The word stands in one user's prompt, and the other asks for what came before: slots and caches of prompts are the same."""
        told = self.random.random() < 0.5
        messages = [{"role": "user", "content": f"My secret word is {self.word}. Repeat it." if told else "My secret word is"}]
        # With what is remembered, his own and what would be the other's, and without.
        headers = self.random.choice(({}, {}, {"X-Memory": "on"}, {"X-Memory": "on", "X-Memory-Project": self.others()}))
        self.asked("chat", "api-gateway", "POST", "/v1/chat/completions", {"model": "chat-7b", "messages": messages, "temperature": 0, "max_tokens": 24}, headers=headers)


def test_no_answer_of_many_thousand_holds_what_is_the_others(stack, figure):
    """Both ask at once, of everything, for what is theirs and for what is not."""
    mixes = [Mix(stack, user, number) for number in range(THREADS // 2) for user in USERS]
    # The answer that the other must not be given is there to be given.
    for mix in mixes[:2]:
        mix.kept_answer()
    threads = [threading.Thread(target=mix.run, args=(REQUESTS // THREADS,)) for mix in mixes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [mix.asked for mix in mixes]
    wrong = [problem for one in asked for problem in one.wrong]
    count = sum(one.count for one in asked)
    figure("S3", cases=count, through=len(wrong), note=f"{len(USERS)} users × {count // len(USERS):,} requests at once: memory, documents, kept answers, vectors, prompts, metrics, errors")
    assert count >= REQUESTS
    assert not wrong, f"{len(wrong)} of {count}: {wrong[:5]}"
    # The suite would notice: everybody finds what is his own, by every way.
    for user in USERS:
        seen = sum((one.seen for one in asked if one.user == user), collections.Counter())
        missing = {"get", "list", "search by words", "search by both", "learnt", "export", "recall", "kept answer", "passages", "patch"} - seen.keys()
        assert not missing, f"{user} does not find his own by {missing}"
    # A small model repeats a made-up word now and then only.
    assert any(one.seen["chat"] for one in asked), "no chat shows anybody his own"
    # What the other asked for changed nothing.
    for user in USERS:
        with stack.memory(stack.keys[user]) as memory:
            for project in (f"user-{user}", f"{user}-notes"):
                planted = [memory.done("GET", f"/projects/{project}/conversations/{number}")["conversation"] for number in range(1, 21)]
                assert [turn["ai_response"] for turn in planted] == [f"{stack.words[user]}-{number} is what you called it." for number in range(20)]
                memory.wait_in_step(project)
                assert memory.problems(project) == []


# -- What is left behind, and names ----------------------------------------------------------------------------------------------------


def test_documents_are_no_way_into_memory(stack, figure):
    """Retrieval reads files and writes collections with rights of its own: it does not lend them."""
    asked = both(stack)
    for one in asked:
        name = f"memory_user-{one.other}"
        before = stack.points(f"user-{one.other}")
        link = papers(stack) / f"papers-{one.user}" / "link"
        link.symlink_to(stack.data / "memory")
        backups = stack.data / "memory" / "backups"
        files = sorted(str(path) for path in backups.glob(f"user-{one.other}*") if path.is_file())
        assert len(files) >= 2
        for number, path in enumerate([*files[:2], backups, stack.data / "memory", link, link / "backups", f"{stack.data}/memory/../memory", f"{stack.data}//memory/./backups/"]):
            into = f"stolen-{one.user}-{number}"
            status, _ = one("index", "rag", "POST", "/index", {"path": str(path), "collection": into}, refused=(403, 404, 422))
            if status == 200:
                one("stolen", "rag", "POST", "/search", {"query": "what did I call the boat?", "collection": into, "topk": 20})
                # One is enough, and to read them all takes minutes.
                break
        else:
            # The folder around it may be read; memory is passed over.
            one("index", "rag", "POST", "/index", {"path": str(stack.data), "collection": f"stolen-{one.user}"})
            one("stolen", "rag", "POST", "/search", {"query": "what did I call the boat?", "collection": f"stolen-{one.user}", "topk": 50})
        # Collections of memory are no collections of documents.
        for path, body in (("/search", {"query": "boat", "collection": name}), ("/query", {"query": "what did I call the boat?", "collection": name})):
            one("collection of memory", "rag", "POST", path, body, refused=(403, 404, 422))
        one("index", "rag", "POST", "/index", {"path": str(papers(stack) / f"papers-{one.user}"), "collection": name}, refused=(403, 404, 422))
        for spelling in (name, name.replace("_", "%5f")):
            one("forget", "rag", "DELETE", f"/collections/{spelling}", refused=(403, 404, 422))
        if stack.points(f"user-{one.other}") != before:
            one.wrong.append(f"{one.user} has changed the vectors of {one.other}'s memory")
    counted(figure, asked, "files and collections of memory, asked for as documents")


def test_what_others_call_their_projects_and_ask_is_told_nowhere(stack, figure):
    asked = both(stack)
    for one in asked:
        with stack.memory(stack.keys[one.other]) as owner:
            project = stack.words[one.other]
            owner.save("Whose is it?", "Mine.", project_id=project)
            owner.wait_in_step(project)
        owner = Asked(stack, one.other)
        owner("question", "rag", "POST", "/query", {"query": f"{QUESTION} {stack.words[one.other]}", "collection": f"papers-{one.other}"})
        eventually(lambda: stack.get("memory-api", "/livez")[0] == 200, "memory answers")
        for service in SERVICES:
            for path in ("/metrics", "/health", "/livez"):
                one("told to all", service, "GET", path)
        for service, path in (
            ("memory-api", "/v1/memory/projects"), ("memory-api", "/v1/memory/maintenance"), ("memory-api", "/v1/memory/health"), ("qdrant", "/collections"),
            ("qdrant", "/aliases"), ("rag", "/collections"), ("rag", "/analytics"), ("rag", "/cache/stats"), ("api-gateway", "/v1/models"),
        ):  # fmt: skip
            one("list", service, "GET", path)
        one("recovery", "memory-api", "POST", "/v1/memory/vector/recovery", {})
    counted(figure, asked, "lists, figures and metrics")
