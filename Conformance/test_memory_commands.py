"""What a user is promised of `maru memory`: a folder has a memory of its own, and every command that a memory needs means it there."""

import datetime
import json
import uuid

import pytest

from memorystack import MemoryStack


@pytest.fixture(scope="module")
def stack():
    running = MemoryStack("embedding", "qdrant", "memory-api", "memory-maintainer")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def folder(stack, tmp_path):
    """A folder that `maru memory init` was run in."""
    stack.run("memory", "init", "--name", "orchard", cwd=tmp_path)
    return tmp_path


def described(folder):
    return json.loads((folder / ".ai-memory" / "project.json").read_text())


def test_a_folder_is_given_a_memory_of_its_own_once(stack, folder):
    made = described(folder)
    assert set(made) == {"project_id", "project_name", "project_path", "created_at", "updated_at"}
    assert uuid.UUID(made["project_id"]).version == 4
    assert (made["project_name"], made["project_path"]) == ("orchard", str(folder))
    assert made["project_id"] in stack.run("memory", "init", "--name", "other", cwd=folder).stdout
    assert described(folder) == made


def test_below_the_folder_its_memory_is_meant_and_elsewhere_it_is_not(stack, folder, tmp_path_factory):
    below = folder / "rows" / "north"
    below.mkdir(parents=True)
    project = described(folder)["project_id"]
    assert project in stack.run("memory", "save", "Where does the quince stand?", "In the north row.", cwd=below).stdout
    assert "quince" in stack.run("memory", "search", "quince", cwd=folder).stdout
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert "quince" not in stack.run("memory", "search", "quince", cwd=elsewhere).stdout
    assert "quince" in stack.run("memory", "search", "quince", "--project", project, cwd=elsewhere).stdout


@pytest.mark.parametrize("text", ["{broken", "[]", '{"project_id": 7}', ""])
def test_a_description_that_cannot_be_read_is_told_and_no_other_memory_takes_its_place(stack, folder, text):
    file = folder / ".ai-memory" / "project.json"
    file.write_text(text)
    for command in (("search", "quince"), ("save", "a", "b"), ("init",)):
        refused = stack.run("memory", *command, cwd=folder, check=False)
        assert refused.returncode == 1 and str(file) in refused.stderr
    assert file.read_text() == text


@pytest.mark.parametrize("name", ["../../x", "a/b", "", "가" * 10, "x" * 65])
def test_a_description_that_names_no_project_is_refused(stack, folder, name):
    file = folder / ".ai-memory" / "project.json"
    file.write_text(json.dumps({**described(folder), "project_id": name}))
    before = sorted(stack.data.joinpath("memory").rglob("*.db"))
    refused = stack.run("memory", "save", "a", "b", cwd=folder, check=False)
    assert refused.returncode == 1 and "id" in refused.stderr
    assert sorted(stack.data.joinpath("memory").rglob("*.db")) == before


def test_a_conversation_is_kept_looked_at_changed_and_forgotten(stack, folder):
    def told(*arguments):
        return stack.run("memory", *arguments, cwd=folder).stdout

    assert "#1" in told("save", "What ripens in August?", "Plums.", "--importance", 9)
    assert "1 of 1" in told("list") and "Plums." in told("show", 1)
    told("edit", 1, "--response", "Plums and 자두.")
    assert "자두" in told("search", "자두") and "자두" in told("recall", "What ripens in August?")
    assert "conversations  1" in told("stats") and described(folder)["project_id"] in told("projects")
    assert "facts (0)" in told("learnt")
    assert "#1" in told("delete", 1) and "0 of 0" in told("list")
    assert stack.run("memory", "show", 1, cwd=folder, check=False).returncode == 1


def test_a_memory_is_looked_after(stack, folder):
    def told(*arguments):
        return stack.run("memory", *arguments, cwd=folder).stdout

    told("save", "What ripens in August?", "Plums.", "--importance", 9)
    told("sync")
    assert "Everything is written" in told("queue")
    assert f"{described(folder)['project_id']}: agrees" in told("check")
    assert "0 conversations" in told("cleanup")
    told("optimize")
    told("rebuild")
    assert "August" in told("search", "August")
    assert "heartbeat" in told("status")


def test_a_memory_is_backed_up_put_back_carried_over_and_forgotten_when_that_is_sure(stack, folder):
    def told(*arguments):
        return stack.run("memory", *arguments, cwd=folder).stdout

    project = described(folder)["project_id"]
    told("save", "What ripens in August?", "Plums.", "--importance", 9)
    assert f"{project}: 1 conversations, restored into a scratch place and compared" in told("backup")
    backup = next(word for word in told("backups").split() if word.startswith(f"daily/{project}"))
    told("export", "out.json")
    told("delete", 1)
    assert "1 conversations taken into" in told("import", "out.json") and "August" in told("list")
    told("delete", 2)
    assert "0 of 0" in told("list")
    told("restore", backup)
    assert "1 of 1" in told("list") and "Plums." in told("show", 1)
    assert stack.run("memory", "forget", project, cwd=folder, check=False).returncode == 1
    assert "1 of 1" in told("list")
    told("forget", project, "--yes")
    assert project not in told("projects")


SAID = (
    ("My name is Minji and my daughter Sora is allergic to peanuts.", "I will remember that Sora is allergic to peanuts."),
    ("I prefer short answers in English.", "Understood, short answers in English."),
    ("우리 스테이징 서버는 stage-2이고 매일 밤 3시에 백업해.", "네, 스테이징 서버는 stage-2이고 백업은 밤 3시입니다."),
    ("Our billing service runs on port 9443 in Frankfurt.", "Noted: billing runs on port 9443 in Frankfurt."),
)


def test_the_local_model_learns_from_what_was_said_and_says_from_what_it_has_it():
    stack = MemoryStack("embedding", "qdrant", "memory-api", "inference-chat", "api-gateway")
    try:
        stack.start()
        yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        conversations = [{"user_query": query, "ai_response": answer, "timestamp": f"{yesterday:%Y-%m-%dT12:00:00Z}", "importance_score": 9} for query, answer in SAID]
        with stack.memory(stack.admin_key) as memory:
            memory.done("POST", "/projects/learnt/import", {"conversations": conversations})
        assert "4 conversations looked through" in stack.run("memory", "digest", "--project", "learnt").stdout
        learnt = json.loads(stack.run("memory", "learnt", "--project", "learnt", "--json").stdout)
        assert learnt["facts"] and learnt["preferences"], learnt  # which ones is the model's affair
        assert {one["source_conversation_id"] for one in learnt["facts"] + learnt["preferences"]} <= {1, 2, 3, 4}
        assert [(day["date_range"], day["conversation_count"]) for day in learnt["summaries"]] == [(f"{yesterday:%Y-%m-%d}", 4)]
        told = stack.run("memory", "recall", "Who is allergic to peanuts?", "--project", "learnt").stdout
        assert all(f"- {one['key']}: {one['value']}" in told for one in learnt["preferences"])
        # What was looked through is not learnt from twice.
        assert "0 conversations looked through: 0 new facts, 0 preferences, 0 summaries." in stack.run("memory", "digest", "--project", "learnt").stdout
    finally:
        stack.stop()
