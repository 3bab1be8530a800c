"""What a user is promised of memory: it is kept, found again in Korean and English, forgotten when asked or due, backed up, and looked after without anybody's help."""

import datetime
import json
import pathlib
import sqlite3
import tarfile
import time
import unicodedata
import uuid

import pytest

from memorystack import MemoryStack, eventually

UPKEEP = ("embedding", "qdrant", "memory-api", "memory-maintainer")


@pytest.fixture(scope="module")
def stack():
    """All of memory, with a maintainer that looks for what is past its time every two seconds, and a nightly backup far from now."""
    nightly = datetime.datetime.now() + datetime.timedelta(hours=12)
    running = MemoryStack(*UPKEEP, TTL_CHECK_INTERVAL=2, MEMORY_BACKUP_CRON=f"{nightly:%H:%M}")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def memory(stack):
    with stack.memory(stack.admin_key) as client:
        yield client


@pytest.fixture
def project(memory):
    """A project of the test's own."""
    name = f"p-{uuid.uuid4().hex[:8]}"
    yield name
    memory.send("DELETE", f"/projects/{name}")


# -- Found again ------------------------------------------------------------------------------------------------------------------------

SAID = {
    "lease": ("전세 계약은 언제 끝나나요?", "전세 계약은 내년 3월에 끝납니다. 집주인에게 두 달 전에 알리세요."),
    "backup": ("데이터베이스백업정책을 정해 줘", "매일밤 3시에 전체백업을 하고 90일 동안 보관합니다."),
    "rice": ("김치찌개 맛있게 끓이는 법", "묵은지와 돼지고기를 먼저 볶으세요."),
    "daughter": ("딸 생일이 5월 3일이야", "네, 기억하겠습니다."),
    "cpp": ("What is C++?", "C++ is a compiled language; templates and RAII are what it is known for."),
    "csharp": ("What is C#?", "C# runs on .NET and has garbage collection."),
    "deploy": ("How do we deploy the billing service?", "Run `make release` on stage-2, then promote it."),
    "sourdough": ("Why does my sourdough not rise?", "The starter is too cold; keep it at 26 degrees."),
    "node": ("Node.js 18에서 fetch가 안 돼요", "Node.js 18부터는 fetch가 들어 있습니다."),
}


@pytest.fixture(scope="module")
def said(memory):
    numbers = {name: memory.save(query, answer, project_id="said") for name, (query, answer) in SAID.items()}
    memory.wait_in_step("said")
    return numbers


@pytest.mark.parametrize(
    "query, name",
    [
        ("전세", "lease"),
        ("전세가 끝나는 날", "lease"),
        ("계약을", "lease"),
        ("집주인에게는", "lease"),
        ("백업", "backup"),
        ("백업정책", "backup"),
        ("데이터베이스 백업 정책", "backup"),
        ("전체 백업", "backup"),
        ("김치", "rice"),
        ("찌개", "rice"),
        ("묵은지로", "rice"),
        ("생일", "daughter"),
        ("딸의 생일은 언제?", "daughter"),
        (unicodedata.normalize("NFD", "전세 계약"), "lease"),
        (unicodedata.normalize("NFD", "돼지고기"), "rice"),
        ("what is C++?", "cpp"),
        ("c++", "cpp"),
        ("What is C#?", "csharp"),
        ("DEPLOY billing", "deploy"),
        ("stage-2", "deploy"),
        ("sourdough", "sourdough"),
        ("node.js fetch", "node"),
        ("fetch가", "node"),
    ],
)
def test_what_was_said_is_found_first_by_words_and_by_both(memory, said, query, name):
    for way in ({"use_vector_search": False}, {}):
        told = memory.search(query, project_id="said", **way)
        assert "vector_search_unavailable" not in told
        assert told["search_type"] == ("fts5" if way else "hybrid")
        first = told["results"][0]
        assert first["id"] == said[name], [result["user_query"] for result in told["results"]]
        assert first["search_metadata"]["matched_terms"], "it is told by which words"


@pytest.mark.parametrize("query, name", [("my bread stays flat", "sourdough"), ("보증금 내고 빌린 집에서 나가는 날", "lease"), ("아이가 태어난 날", "daughter"), ("shipping the invoicing system to production", "deploy")])
def test_what_was_said_is_found_by_its_meaning_alone(memory, said, query, name):
    told = memory.search(query, project_id="said", use_vector_search=True, limit=3)
    assert said[name] in [result["id"] for result in told["results"]]
    assert all(result["search_method"] == "vector" and result["similarity_score"] > 0 for result in told["results"])


def test_text_that_came_decomposed_is_found_by_composed_words(memory, project):
    number = memory.save(unicodedata.normalize("NFD", "항구의 등대지기는 누구인가요?"), unicodedata.normalize("NFD", "박선장입니다"), project_id=project)
    for query in ("등대", "등대지기", "박선장", unicodedata.normalize("NFD", "등대")):
        assert memory.found(query, project_id=project, use_vector_search=False) == [number], query


def test_filters_let_through_what_they_name(memory, project):
    old = memory.save("plum one", tags=["fruit", "과일"], session_id="s1", model_used="chat-7b", importance_score=9, project_id=project)
    new = memory.save("plum two", tags=["fruit"], session_id="s2", model_used="code-7b", importance_score=3, project_id=project)
    for more, expected in (
        ({"tags": ["과일"]}, [old]), ({"session_id": "s2"}, [new]), ({"model_used": "chat-7b"}, [old]), ({"importance_min": 5}, [old]),
        ({"importance_max": 5}, [new]), ({"until": "2020-01-01T00:00:00Z"}, []), ({"tags": ["fruit"], "session_id": "s1"}, [old]),
    ):  # fmt: skip
        assert memory.found("plum", project_id=project, use_vector_search=False, **more) == expected, more
    assert [result["id"] for result in memory.done("POST", "/conversations/search", {"project_id": project})["results"]] == [old, new]


# -- Changed, deleted, expired ----------------------------------------------------------------------------------------------------------


def test_a_changed_conversation_is_found_by_its_new_words_and_no_longer_by_its_old(stack, memory, project):
    number = memory.save("The meeting is on Tuesday", project_id=project)
    memory.wait_in_step(project)
    memory.done("PATCH", f"/projects/{project}/conversations/{number}", {"user_query": "회의는 목요일이다", "ai_response": "목요일로 옮겼다", "importance_score": 10, "tags": ["회의"]})
    assert memory.found("Tuesday", project_id=project, use_vector_search=False) == []
    assert memory.found("목요일", project_id=project, use_vector_search=False) == [number]
    kept = memory.done("GET", f"/projects/{project}/conversations/{number}")["conversation"]
    assert (kept["importance_score"], kept["tags"], kept["expires_at"]) == (10, ["회의"], None)
    memory.wait_in_step(project)
    assert {number: point["user_query"] for number, point in stack.points(project).items()} == {number: "회의는 목요일이다"}
    assert memory.problems(project) == []


def test_a_deleted_conversation_is_gone_everywhere_with_what_was_learnt_from_it(stack, memory, project):
    keep, gone = memory.save("plum keep", project_id=project), memory.save("plum gone", project_id=project)
    memory.wait_in_step(project)
    # An import is the way by which a fact comes with its conversation.
    memory.done("POST", f"/projects/{project}/import", {
        "conversations": [{"id": 7, "user_query": "The mast is red", "ai_response": "Noted.", "timestamp": "2026-01-01T00:00:00Z", "importance_score": 10}],
        "important_facts": [{"fact": "The mast is red", "source_conversation_id": 7}],
    })  # fmt: skip
    source = memory.done("GET", f"/projects/{project}/facts")["facts"][0]["source_conversation_id"]
    for number in (gone, source):
        memory.done("DELETE", f"/projects/{project}/conversations/{number}")
        assert memory.send("GET", f"/projects/{project}/conversations/{number}").status_code == 404
        assert memory.send("DELETE", f"/projects/{project}/conversations/{number}").status_code == 404
    assert memory.done("GET", f"/projects/{project}/facts")["facts"] == []
    assert memory.found("plum", project_id=project) == [keep]
    assert list(memory.conversations(project)) == [keep]
    memory.wait_in_step(project)
    assert set(stack.points(project)) == {keep}
    assert memory.problems(project) == []


def test_a_project_that_is_forgotten_while_its_vectors_are_written_leaves_none(stack, memory, project):
    for number in range(60):
        memory.save(f"plum {number} of the orchard", project_id=project)
    memory.done("DELETE", f"/projects/{project}")
    assert memory.send("GET", f"/projects/{project}/stats").status_code == 404
    time.sleep(3)
    with stack.client(stack.service_key, base="qdrant") as client:
        assert client.get(f"/collections/memory_{project}").status_code == 404, "vectors of a forgotten project are there"


def test_what_is_of_no_importance_is_removed_by_the_maintainer(stack, memory, project):
    keep = memory.save("A decision about the architecture of billing", importance_score=10, project_id=project)
    gone = memory.save("hi", "hello", importance_score=1, project_id=project)
    # It is past its time at once, whoever has removed it.
    assert memory.send("GET", f"/projects/{project}/conversations/{gone}").status_code == 404
    assert memory.found("hello", project_id=project) == []
    database = stack.data / "memory" / "projects" / project / "memory.db"

    def rows():
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as opened:
            return [number for (number,) in opened.execute("SELECT id FROM conversations ORDER BY id")]

    eventually(lambda: rows() == [keep], "what is past its time is removed from the table", 30)
    memory.wait_in_step(project)
    assert set(stack.points(project)) == {keep}
    assert memory.problems(project) == []


def test_each_conversation_has_one_point_under_its_own_number(stack, memory, project):
    numbers = [memory.save(f"plum {number}", f"자두 {number}", project_id=project) for number in range(30)]
    memory.wait_in_step(project)
    # However often it is told.
    memory.done("POST", f"/projects/{project}/sync", {"sync_type": "qdrant"})
    memory.done("PATCH", f"/projects/{project}/conversations/{numbers[3]}", {"ai_response": "changed"})
    memory.done("POST", f"/projects/{project}/sync/retry", {})
    memory.wait_in_step(project)
    points = stack.points(project)
    assert sorted(points) == numbers
    assert all(point["conversation_id"] == number and point["project_id"] == project for number, point in points.items())


def test_a_long_answer_has_a_vector_too(stack, memory, project):
    """An answer may have a megabyte, and an embedding model reads far less: it gets the beginning."""
    number = memory.save("Write down the whole manual of the lighthouse", "The lamp is lit at dusk. " * 2_000, project_id=project)
    memory.wait_in_step(project, 20)
    assert set(stack.points(project)) == {number}
    assert number in memory.found("who lights the beacon in the evening", project_id=project, use_vector_search=True)


def test_recall_tells_what_belongs_to_the_question_and_keeps_its_length(memory, project):
    memory.save("Where is the key of the lighthouse?", "Under the third stone.", importance_score=10, project_id=project)
    memory.save("How do I bake bread?", "With patience. " * 50, importance_score=10, project_id=project)
    memory.done("POST", f"/projects/{project}/facts", {"fact": "The lighthouse keeper is called Park", "category": "person"})
    memory.done("POST", f"/projects/{project}/preferences", {"key": "units", "value": "metric"})
    told = memory.done("POST", "/recall", {"query": "lighthouse key", "project_id": project, "max_chars": 1_000})
    assert "third stone" in told["text"] and "Park" in told["text"] and "metric" in told["text"]
    assert len(told["text"]) < 1_000 + 400, "the marks around it aside"


# -- Without vectors --------------------------------------------------------------------------------------------------------------------


def queue_metric(stack):
    """The lengths of the queues as Prometheus reads them; none before the first was told."""
    lines = stack.get("memory-api", "/metrics")[1].splitlines()
    return [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("memory_sync_queue_size{")]


def test_without_vectors_words_are_searched_and_the_backlog_drains_by_itself():
    running = MemoryStack("memory-api")
    try:
        running.start()
        with running.memory() as memory:
            numbers = [memory.save(f"등대 lighthouse {number}") for number in range(20)]
            told = memory.search("등대 lighthouse 7")
            assert told["search_type"] == "fts5" and told["vector_search_unavailable"]
            assert numbers[7] in [result["id"] for result in told["results"]]
            told = memory.search("등대", use_vector_search=True)
            assert told["search_type"] == "fts5" and told["vector_search_unavailable"] and told["results"]
            assert running.get("memory-api", "/v1/memory/health")[1]["vector_enabled"] is False
            project = memory.done("GET", "/projects")["projects"][0]["project_id"]
            assert memory.queue(project) == 20
            eventually(lambda: queue_metric(running) == [20], "the metric tells of the queue", 60)
            memory.done("DELETE", f"/projects/{project}/conversations/{numbers[0]}")
            running.run("down")
            running.services = ("embedding", "qdrant", "memory-api")
            running.start()
            memory.wait_in_step(project)
            eventually(lambda: queue_metric(running) == [0], "the metric tells that all is written", 60)
            assert sorted(running.points(project)) == numbers[1:]
            told = memory.search("where does the beacon stand")
            assert told["search_type"] == "hybrid" and "vector_search_unavailable" not in told and told["results"]
            assert memory.problems(project) == []
            # The other way round: vectors go while all runs, and come again.
            running.kill(running.row("qdrant")["pid"])
            late = memory.save("등대 late", importance_score=10)
            assert late in memory.found("late")
            memory.wait_in_step(project, 60)
            assert late in running.points(project)
    finally:
        running.stop()


# -- Backups, export and import ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backed_up(stack, memory):
    """A project with everything in it, and a backup of every kind."""
    for number in range(12):
        memory.save(f"plum {number} it's \"quoted\"", f"자두 {number}\r\n둘째 줄; -- 🍑", tags=["과일", "a'b"], context={"n": number, "user_saved": True}, session_id="s", token_count=number, project_id="kept")
    memory.done("DELETE", "/projects/kept/conversations/5")
    memory.done("POST", "/projects/kept/facts", {"fact": "The plums are ripe in July"})
    memory.done("POST", "/projects/kept/preferences", {"key": "Units", "value": "metric"})
    made = memory.done("POST", "/projects/kept/backup", {"backup_type": "all"})
    assert made["conversations"] == 11 and made["warnings"] == []
    assert memory.done("GET", "/projects/kept/backups")["backups"]
    folder = stack.data / "memory" / "backups"
    files = {entry["kind"]: folder / entry["name"] for entry in made["backups"]}
    assert all(path.stat().st_size == next(entry["bytes"] for entry in made["backups"] if entry["kind"] == kind) for kind, path in files.items())
    return {"files": files, "names": {entry["kind"]: entry["name"] for entry in made["backups"]}, "was": memory.conversations("kept")}


def told_by(database):
    """Every conversation as a database of a backup has it, in the words of the API."""
    found = {}
    for row in database.execute("SELECT id, user_query, ai_response, importance_score, tags, session_id, token_count FROM conversations"):
        found[row[0]] = {"user_query": row[1], "ai_response": row[2], "importance_score": row[3], "tags": json.loads(row[4]), "session_id": row[5], "token_count": row[6]}
    return found


def part_of(conversations):
    return {number: {name: turn[name] for name in ("user_query", "ai_response", "importance_score", "tags", "session_id", "token_count")} for number, turn in conversations.items()}


def test_there_is_a_backup_of_every_kind_and_any_sqlite_reads_it(backed_up, tmp_path):
    files, was = backed_up["files"], part_of(backed_up["was"])
    assert set(files) == {"daily", "monthly", "json", "sql"}
    today = datetime.datetime.now(datetime.timezone.utc)
    assert files["daily"].parent.name == "daily" and files["daily"].name == f"kept_{today:%Y-%m-%d}.db"
    assert files["monthly"].name == f"kept_{today:%Y-%m}.tar.gz"
    with sqlite3.connect(f"file:{files['daily']}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert told_by(database) == was
    with sqlite3.connect(":memory:") as database:
        database.executescript(files["sql"].read_text())
        assert told_by(database) == was
        assert database.execute("SELECT fact FROM important_facts").fetchall() == [("The plums are ripe in July",)]
    document = json.loads(files["json"].read_text())
    assert part_of({turn["id"]: turn for turn in document["conversations"]}) == was
    assert document["project_id"] == "kept" and document["user_preferences"][0]["value"] == "metric"
    with tarfile.open(files["monthly"]) as archive:
        archive.extractall(tmp_path, filter="data")
    with sqlite3.connect(next(path for path in pathlib.Path(tmp_path).rglob("*.db"))) as database:
        assert told_by(database) == was


@pytest.mark.parametrize("kind", ["daily", "monthly", "json", "sql"])
def test_a_restore_brings_everything_back_and_can_itself_be_undone(stack, memory, backed_up, kind):
    was = backed_up["was"]
    first, second = sorted(was)[:2]
    memory.done("DELETE", f"/projects/kept/conversations/{first}")
    memory.done("PATCH", f"/projects/kept/conversations/{second}", {"user_query": "overwritten"})
    memory.send("DELETE", "/projects/kept/preferences/units")
    late = memory.save("said after the backup", importance_score=10, project_id="kept")
    later = memory.conversations("kept")
    restored = memory.done("POST", "/projects/kept/restore", {"backup": backed_up["names"][kind]})
    assert restored["conversations"] == len(was)
    assert memory.conversations("kept") == was
    assert memory.done("GET", "/projects/kept/preferences")["preferences"][0]["value"] == "metric"
    assert first in memory.found("plum", project_id="kept", use_vector_search=False, limit=20)
    memory.wait_in_step("kept")
    assert set(stack.points("kept")) == set(was)
    assert memory.problems("kept") == []
    # What was there before is backed up, and its numbers are given to nothing else.
    memory.done("POST", "/projects/kept/restore", {"backup": restored["safety_backup"]})
    assert memory.conversations("kept") == later
    memory.done("POST", "/projects/kept/restore", {"backup": backed_up["names"][kind]})
    assert memory.save("new", importance_score=10, project_id="kept") > late
    memory.done("POST", "/projects/kept/restore", {"backup": backed_up["names"][kind]})


def test_an_export_goes_into_another_project_once_however_often_it_is_sent(memory, backed_up, project):
    memory.done("POST", "/projects/kept/restore", {"backup": backed_up["names"]["daily"]})
    document = memory.done("GET", "/projects/kept/export")
    assert set(document) == {"export_time", "project_id", "conversations", "embeddings", "summaries", "important_facts", "user_preferences"}
    first = memory.done("POST", f"/projects/{project}/import", document)
    again = memory.done("POST", f"/projects/{project}/import", document)
    count = len(backed_up["was"])
    assert (first["imported"], first["skipped"], again["imported"], again["skipped"]) == (count, 0, 0, count)
    there = memory.conversations(project)
    strip = lambda turns: sorted((turn["timestamp"], turn["user_query"], turn["ai_response"], turn["importance_score"], turn["tags"], turn["session_id"], turn["context"]) for turn in turns.values())  # noqa: E731
    assert strip(there) == strip(backed_up["was"])
    assert [fact["fact"] for fact in memory.done("GET", f"/projects/{project}/facts")["facts"]] == ["The plums are ripe in July"]
    assert [entry["value"] for entry in memory.done("GET", f"/projects/{project}/preferences")["preferences"]] == ["metric"]
    memory.wait_in_step(project)
    assert memory.problems(project) == []


def test_what_was_learnt_from_conversations_that_are_gone_is_taken_in_by_the_command(stack, memory, project, tmp_path):
    memory.save("the mast was painted", project_id=project)
    stamp = "2026-01-0{}T00:00:00.000Z"
    turns = [{"id": n, "timestamp": stamp.format(n), "user_query": f"turn {n}", "ai_response": "yes", "importance_score": 10} for n in (1, 2)]
    facts = [{"fact": "The plums are ripe in July", "source_conversation_id": 2}, {"fact": "The pier is closed on Mondays", "source_conversation_id": 77}]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"conversations": turns, "important_facts": facts, "user_preferences": [{"key": "units", "value": "metric", "source_conversation_id": 99}]}))
    stack.run("memory", "import", path, "--project", project)
    there = {fact["fact"]: fact["source_conversation_id"] for fact in memory.done("GET", f"/projects/{project}/facts")["facts"]}
    second = next(number for number, turn in memory.conversations(project).items() if turn["user_query"] == "turn 2")
    assert there == {"The plums are ripe in July": second, "The pier is closed on Mondays": 0}
    assert [entry["value"] for entry in memory.done("GET", f"/projects/{project}/preferences")["preferences"]] == ["metric"]


def test_an_export_that_comes_back_to_where_it_is_from_changes_nothing(memory, backed_up):
    before = memory.conversations("kept")
    told = memory.done("POST", "/projects/kept/import", memory.done("GET", "/projects/kept/export"))
    assert (told["imported"], told["skipped"]) == (0, len(before))
    assert memory.conversations("kept") == before


def test_a_time_comes_back_as_it_was_given(memory, project):
    times = [f"2026-01-31T12:00:{number % 60:02}.{number:03}Z" for number in range(0, 1_000, 7)]
    turns = [{"user_query": f"at {time}", "ai_response": "a", "timestamp": time, "importance_score": 10} for time in times]
    memory.done("POST", f"/projects/{project}/import", {"conversations": turns})
    wrong = [turn for turn in memory.conversations(project).values() if turn["user_query"] != f"at {turn['timestamp']}"]
    assert not wrong, f"{len(wrong)} of {len(times)}: {wrong[0]['user_query']} is {wrong[0]['timestamp']}"


# -- The maintainer ---------------------------------------------------------------------------------------------------------------------


def heartbeat(stack):
    return json.loads((stack.data / "run" / "memory-maintainer.heartbeat.json").read_text())


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_the_maintainer_tells_that_it_lives_and_what_it_did(stack, memory):
    memory.save("There is something to look after", importance_score=10, project_id="looked-after")
    first = eventually(lambda: heartbeat(stack), "there is a heartbeat")
    assert first["service"] == "memory-maintainer" and first["pid"] == stack.row("memory-maintainer")["pid"]
    age = datetime.datetime.now(datetime.timezone.utc) - moment(first["heartbeat_at"])
    assert age < datetime.timedelta(seconds=15)
    eventually(lambda: moment(heartbeat(stack)["heartbeat_at"]) > moment(first["heartbeat_at"]), "the heart beats again", 20)
    told = eventually(lambda: (found := memory.done("GET", "/maintenance")) and {"expiry", "sync", "backup", "integrity", "optimize"} <= found["jobs"].keys() and found, "every kind of upkeep ran", 90)
    assert told["running"] is True
    for name in ("expiry", "sync", "backup", "integrity", "optimize"):
        assert told["jobs"][name]["failures"] == 0 and told["jobs"][name]["succeeded_at"], (name, told["jobs"][name])
    before = told["jobs"]["expiry"]["began_at"]
    eventually(lambda: memory.done("GET", "/maintenance")["jobs"]["expiry"]["began_at"] > before, "it looks again", 20)
    assert stack.metric("memory-api", "memory_maintainer_up") == 1
    beat = datetime.datetime.fromtimestamp(stack.metric("memory-api", "memory_maintainer_heartbeat_timestamp_seconds"), datetime.timezone.utc)
    assert datetime.datetime.now(datetime.timezone.utc) - beat < datetime.timedelta(seconds=60)
    assert all(stack.metric("memory-api", "memory_maintainer_last_success_timestamp_seconds", job=name) > 0 for name in ("expiry", "sync", "backup"))
    state = json.loads((stack.data / "memory" / "maintainer.json").read_text())
    assert "backup" in json.dumps(state)


def test_a_backup_that_was_missed_while_the_maintainer_was_down_is_made_up_for(stack, memory):
    memory.save("Back me up", importance_score=10, project_id="missed")
    eventually(lambda: "backup" in memory.done("GET", "/maintenance")["jobs"], "a first backup was made", 60)
    stack.run("down")
    path = stack.data / "memory" / "maintainer.json"
    state = json.loads(path.read_text())
    long_ago = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = state["jobs"]["backup"] if isinstance(state["jobs"], dict) else state["jobs"][state["jobs"].index("backup") + 1]
    for name in ("began_at", "ended_at", "succeeded_at"):
        run[name] = long_ago
    path.write_text(json.dumps(state))
    for backup in (stack.data / "memory" / "backups").rglob("missed_*"):
        backup.unlink()
    stack.start()
    assert moment(eventually(lambda: memory.done("GET", "/maintenance"), "memory answers")["jobs"]["backup"]["began_at"])
    kinds = eventually(
        lambda: (found := {entry["kind"] for entry in memory.done("GET", "/projects/missed/backups")["backups"]}) >= {"daily", "json", "sql", "monthly"} and found,
        "the missed backup is made", 60,
    )  # fmt: skip
    assert kinds == {"daily", "json", "sql", "monthly"}
    told = eventually(lambda: (job := memory.done("GET", "/maintenance")["jobs"]["backup"])["succeeded_at"] > long_ago and job, "it is noted")
    # Once: the next is due at its time of day.
    time.sleep(4)
    assert memory.done("GET", "/maintenance")["jobs"]["backup"]["began_at"] == told["began_at"]


def test_a_killed_maintainer_is_started_again_and_goes_on(stack, memory):
    before = stack.row("memory-maintainer")
    stack.kill(before["pid"])
    after = eventually(lambda: (row := stack.row("memory-maintainer"))["state"] == "ready" and row["pid"] not in (None, before["pid"]) and row, "the maintainer runs again", 60)
    assert after["restarts"] == before["restarts"] + 1
    eventually(lambda: heartbeat(stack)["pid"] == after["pid"], "its heart beats", 20)
    gone = memory.save("hi", "hello", importance_score=1, project_id="after-kill")
    began = memory.done("GET", "/maintenance")["jobs"]["expiry"]["began_at"]
    eventually(lambda: memory.done("GET", "/maintenance")["jobs"]["expiry"]["began_at"] > began, "it goes on", 30)
    assert memory.send("GET", f"/projects/after-kill/conversations/{gone}").status_code == 404
    with open(f"/proc/{after['pid']}/cmdline", "rb") as command:
        assert b"memory-maintainer" in command.read()
