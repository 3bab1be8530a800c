"""The operator's proof: on a good stack nothing fails, and of each fault the right check tells, in the right words."""

import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import xml.etree.ElementTree

import httpx
import pytest

from stack import MARU, ROOT, SMALL

SEED = {f"S{n:02}" for n in range(1, 34)} | {f"G{n}" for n in range(1, 5)} | {f"P{n}" for n in range(1, 6)}
PHASES = {
    1: ["S01", "S02", "S03", "S04", "S05", "S06"],
    2: [f"S{n:02}" for n in range(7, 16)] + ["F09", "F10", "F11", "F12", "F13", "G1"],
    3: [f"S{n}" for n in range(16, 22)] + ["G4"],
    4: ["S22", "S23", "S24", "S25", "C01", "C02", "C03", "C04", "C05", "C06", "C07", "C08", "C09", "C10"],
    5: ["S26", "S27", "S28", "S29", "N10", "S30", "S31", "S32", "S33", "G2", "G3", "P1", "P2", "P3", "P4", "P5"],
}
ALL = [name for names in PHASES.values() for name in names]
ABSENT = {"S16", "S17", "S18", "S19", "S20", "S21", "G4", "P4"}


class Verdict:
    """What a command that checks told, by check."""

    def __init__(self, result):
        self.code = result.returncode
        self.errors = result.stderr
        assert "Fatal error" not in result.stderr, result.stderr
        self.report = json.loads(result.stdout)
        self.rows = self.report["checks"]
        self.checks = {row["id"]: row for row in self.rows}
        for row in self.rows:
            row.setdefault("reason", None)
        failed = [row["id"] for row in self.rows if row["outcome"] == "FAIL"]
        assert self.report["summary"]["ok"] == (not failed) == (self.code == 0)

    def outcome(self, name):
        return self.checks[name]["outcome"]

    def told(self, name):
        row = self.checks[name]
        return f"{row['outcome']} {row['value']}: {row['reason']}"

    def failed(self):
        return {row["id"] for row in self.rows if row["outcome"] == "FAIL"}

    def failures(self):
        """What failed, in words."""
        return [f"{name} {self.told(name)}" for name in sorted(self.failed())]


def judged(stack, *arguments):
    return Verdict(stack.run(*arguments, "--json", check=False))


def reports(stack, command="verify"):
    return sorted((stack.data / "reports").glob(f"{command}-*"))


def snapshots(stack):
    """The snapshots that the vector store keeps, by collection."""
    names = [entry["name"] for entry in stack.get("qdrant", "/collections")[1]["result"]["collections"]]
    found = {name: [row["name"] for row in stack.get("qdrant", f"/collections/{name}/snapshots")[1]["result"]] for name in names}
    return {name: list for name, list in found.items() if list}


# MARK: A good stack


@pytest.fixture(scope="module")
def proof(stack, tmp_path_factory):
    """One run of everything, on a stack that something was indexed into."""
    folder = tmp_path_factory.mktemp("proof")
    (folder / "tides.md").write_text("# Tides\n\nThe tide comes in twice a day.\n")
    stack.run("index", folder, "--collection", "proof")
    assert httpx.post(stack.url("qdrant") + "/collections/proof/snapshots", timeout=60).status_code == 200
    before = reports(stack)
    kept = snapshots(stack)
    verdict = judged(stack, "verify", "--junit", folder / "junit.xml")
    verdict.snapshots = (kept, snapshots(stack))
    verdict.junit = folder / "junit.xml"
    verdict.folders = [path for path in reports(stack) if path not in before]
    yield verdict
    httpx.delete(stack.url("rag") + "/collections/proof", timeout=60)


def test_on_a_good_stack_nothing_fails(proof):
    assert [(row["id"], row["reason"], row["evidence"]) for row in proof.rows if row["outcome"] == "FAIL"] == []
    assert proof.code == 0


def test_every_item_of_the_checklist_is_reported_exactly_once_in_its_order(proof):
    assert [row["id"] for row in proof.rows] == ALL
    assert SEED <= set(ALL)
    assert {name: row["phase"] for name, row in proof.checks.items()} == {name: phase for phase, names in PHASES.items() for name in names}


def test_every_row_says_what_was_demanded_found_and_how_to_repeat_it(proof):
    for row in proof.rows:
        assert {"id", "phase", "title", "outcome", "value", "threshold", "command", "seconds", "reason"} <= set(row)
        assert row["title"] and row["threshold"] and row["command"]
        assert row["outcome"] in ("PASS", "WARN", "FAIL", "SKIP", "INCONCLUSIVE")
        assert 0 <= row["seconds"] <= proof.report["seconds"] + 0.001
        assert row["reason"] or row["outcome"] == "PASS"
    counted = {name: sum(row["outcome"] == name.upper() for row in proof.rows) for name in ("pass", "warn", "fail", "skip", "inconclusive")}
    assert {name: proof.report["summary"][name] for name in counted} == counted
    assert proof.report["version"] == subprocess.run([MARU, "--version"], capture_output=True, text=True).stdout.strip()
    assert proof.report["host"]["processors"] == os.cpu_count()


def test_what_is_skipped_is_skipped_for_a_reason_that_is_true(proof, stack):
    skipped = {row["id"]: row["reason"] for row in proof.rows if row["outcome"] == "SKIP"}
    expected = {name: "not part of this build" for name in ABSENT}
    if not shutil.which("nvidia-smi"):
        expected |= {name: "no nvidia-smi on this machine: models run on the CPU" for name in ("S02", "F12", "S31")}
        expected |= {name: "no GPU on this machine" for name in ("G3", "P3")}
    docker = shutil.which("docker") and subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
    if not docker:
        expected["S01"] = "docker is not installed; the native runtime needs no container engine"
    elif docker.returncode != 0:
        expected["S01"] = "no Docker engine answers; the native runtime needs no container engine"
    home = pathlib.Path.home() / ".maru"
    if subprocess.run(["git", "status"], cwd=home if home.exists() else "/", capture_output=True).returncode != 0:
        expected |= {name: f"{home} is not a git checkout" for name in ("S05", "S23")}
    if not (home / "Package.swift").exists():
        expected["S25"] = f"{home} is not a checkout of the project"
    assert skipped == expected


def test_the_figures_that_were_measured_are_plausible(proof):
    assert re.fullmatch(r"[\d.,]+ GB free", proof.checks["S06"]["value"])
    free = shutil.disk_usage("/tmp" if "TMPDIR" not in os.environ else os.environ["TMPDIR"]).free / 1e9
    assert float(proof.checks["S06"]["value"].split()[0].replace(",", "")) == pytest.approx(free, rel=0.25)
    assert proof.checks["S07"]["value"] == "9 of 9"
    p95, requests = re.fullmatch(r"p95 ([\d.]+) s of (\d+)", proof.checks["S30"]["value"]).groups()
    assert 0 < float(p95) < 3 and int(requests) >= 20
    assert "384" in proof.checks["S28"]["value"]
    assert re.search(r"[1-9]\d* made, 1 restored with [1-9]\d* points", proof.checks["S33"]["value"])
    assert proof.checks["S27"]["outcome"] in ("PASS", "WARN")
    assert re.search("[가-힣]", proof.checks["S27"]["evidence"].split("answer:")[1])
    assert proof.outcome("C01") == proof.outcome("F11") == "PASS"


def test_the_proof_leaves_nothing_of_its_own_in_the_vector_store(proof, stack):
    """A collection `verify` for the next run at the most: no restored copy, and no snapshot of anybody's collection."""
    names = {entry["name"] for entry in stack.get("qdrant", "/collections")[1]["result"]["collections"]}
    assert not [name for name in names if name.endswith("-drill")]
    before, after = proof.snapshots
    assert len(before["proof"]) == 1 and after == before


def test_a_second_run_proves_everything_anew(proof, stack):
    """What an earlier run left must not pass for the work of this one."""
    kept = snapshots(stack)
    verdict = judged(stack, "verify", "--phase", 5)
    assert verdict.code == 0, verdict.failures()
    assert "indexed 1," in proof.checks["S26"]["evidence"] and "indexed 1," in verdict.checks["S26"]["evidence"]
    assert verdict.outcome("S27") in ("PASS", "WARN") and verdict.outcome("S33") == "PASS"
    assert snapshots(stack) == kept



def test_the_report_is_kept_as_markdown_json_and_junit(proof, stack):
    assert len(proof.folders) == 1
    folder = proof.folders[0]
    assert sorted(path.name for path in folder.iterdir()) == ["junit.xml", "report.json", "report.md"]
    assert folder.stat().st_mode & 0o077 == 0
    kept = json.loads((folder / "report.json").read_text())
    for row in kept["checks"]:
        row.setdefault("reason", None)
    assert kept == proof.report
    text = (folder / "report.md").read_text()
    assert "nothing failed" in text
    for row in proof.rows:
        assert re.search(rf"^\| {row['id']} \|.*\| {row['outcome']} \|", text, re.MULTILINE), row["id"]
        assert f"### {row['id']} {row['title']}: {row['outcome']}" in text
        assert row["command"] in text
    assert (folder / "junit.xml").read_text() == proof.junit.read_text()


def test_the_junit_file_tells_the_same(proof):
    root = xml.etree.ElementTree.parse(proof.junit).getroot()
    assert (root.get("tests"), root.get("failures")) == (str(len(ALL)), "0")
    cases = {case.get("name").split()[0]: case for case in root.iter("testcase")}
    assert list(cases) == ALL
    for name, case in cases.items():
        assert (case.find("skipped") is not None) == (proof.outcome(name) in ("SKIP", "INCONCLUSIVE"))
        assert case.find("failure") is None
    for suite in root.iter("testsuite"):
        own = list(suite.iter("testcase"))
        assert int(suite.get("tests")) == len(own)
        assert int(suite.get("skipped")) == sum(case.find("skipped") is not None for case in own)


@pytest.mark.parametrize("phase", [1, 2, 3, 4])
def test_a_phase_is_run_alone(stack, phase):
    verdict = judged(stack, "verify", "--phase", phase)
    assert [row["id"] for row in verdict.rows] == PHASES[phase]
    assert verdict.code == 0, verdict.failures()


def test_phases_are_run_in_their_order_whatever_the_order_of_the_words(stack):
    verdict = judged(stack, "verify", "--phase", 3, "--phase", 1)
    assert [row["id"] for row in verdict.rows] == PHASES[1] + PHASES[3]


def test_a_scenario_whose_parts_were_not_judged_is_inconclusive_and_fails_nothing(stack):
    verdict = judged(stack, "verify", "--phase", 2)
    assert verdict.told("G1") == "INCONCLUSIVE None: not judged in this run: S04"
    assert verdict.code == 0


@pytest.mark.parametrize("phase", ["0", "6", "-1", "two"])
def test_a_phase_there_is_none_of_is_a_wrong_use(stack, phase):
    result = stack.run("verify", f"--phase={phase}", check=False)
    assert result.returncode == 64
    assert "--phase" in result.stderr


def test_the_machine_is_checked_without_a_stack(own_stack):
    lonely = own_stack()
    verdict = judged(lonely, "env")
    assert [row["id"] for row in verdict.rows] == PHASES[1]
    assert verdict.code == 0, verdict.failures()
    assert verdict.outcome("S03") == verdict.outcome("S04") == verdict.outcome("S06") == "PASS"
    assert len(reports(lonely, "env")) == 1


def test_health_is_told_of_every_service(stack):
    verdict = judged(stack, "health")
    assert [row["id"] for row in verdict.rows] == [f"S{n:02}" for n in range(7, 16)] + ["F09", "F10", "F11", "F12", "F13"]
    assert verdict.code == 0, verdict.failures()
    assert {name for name in verdict.checks if verdict.outcome(name) == "PASS"} >= {"S07", "S09", "S10", "S11", "S12", "S13", "S14", "S15", "F10", "F13"}


def test_people_read_the_same_in_words(stack):
    result = stack.run("verify", "--phase", 3, "--phase", 4)
    assert "Phase 3: Monitoring" in result.stdout and "Phase 4: Production configuration" in result.stdout
    for name in PHASES[3] + PHASES[4]:
        assert len(re.findall(rf"(PASS|WARN|SKIP|INCONCLUSIVE): {name} ", result.stdout)) == 1, name
    assert "Nothing failed." in result.stdout
    assert "\x1b" not in result.stdout, "colours in a pipe"
    report = pathlib.Path(re.search(r"Report: (\S+)", result.stdout).group(1))
    assert report.is_file() and report.is_relative_to(stack.data / "reports")


def test_each_run_keeps_a_report_of_its_own(own_stack):
    lonely = own_stack()
    for _ in range(3):
        judged(lonely, "verify", "--phase", 3)
    assert len(reports(lonely)) == 3


def test_a_junit_file_that_cannot_be_written_is_told_and_costs_no_report(own_stack):
    lonely = own_stack()
    result = lonely.run("verify", "--phase", 3, "--junit", lonely.data / "no" / "such" / "folder.xml", check=False)
    assert result.returncode != 0
    assert "folder.xml" in result.stderr
    assert len(reports(lonely)) == 1


def test_a_stack_that_is_still_starting_is_waited_for(own_stack):
    starting = own_stack(**SMALL)
    starting.start("--no-wait")
    verdict = judged(starting, "health", "--patience", 120)
    # Which processes live is asked once, of a stack that has hardly begun.
    assert verdict.failed() <= {"S07"}, verdict.failures()
    assert {verdict.outcome(name) for name in ("S09", "S10", "S11", "S12", "S13", "S14")} == {"PASS"}


def test_the_git_state_and_the_last_green_run_are_those_of_the_folder_the_settings_lie_in(own_stack):
    kept = own_stack()
    folder = kept.data / "checkout"
    folder.mkdir()
    (folder / ".env").write_text("")
    kept.environment["MARU_HOME"] = str(folder)

    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *arguments], cwd=folder, check=True, capture_output=True)

    def last_run():
        return judged(kept, "verify", "--phase", 4).told("S23")

    assert "not a git checkout" in judged(kept, "env").told("S05")
    git("init")
    git("add", ".env")
    git("commit", "--message", "First")
    assert judged(kept, "env").outcome("S05") == "PASS"

    # The tests' last green run is of this commit, or of another, or there was none.
    assert not last_run().startswith(("PASS", "FAIL"))
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    (folder / ".git" / "info" / "exclude").write_text(".build\n")
    (folder / ".build").mkdir()
    (folder / ".build" / "ci-passed").write_text(f"{head} now\n")
    assert last_run().startswith(f"PASS {head[:12]}")
    (folder / ".build" / "ci-passed").write_text(f"{'0' * 40} then\n")
    assert last_run().startswith("WARN 000000000000: the last green run was of another commit")

    (folder / "changed").write_text("x")
    dirty = judged(kept, "env")
    assert dirty.told("S05").startswith("WARN 1 changed: uncommitted changes")
    assert dirty.code == 0


# MARK: Faults


def test_a_port_that_another_program_holds_is_told_with_its_holder(own_stack):
    faulty = own_stack()
    holder = subprocess.Popen(
        ["python3", "-m", "http.server", str(faulty.ports["rag"]), "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while holder.poll() is None:
            try:
                faulty.get("rag", "/")
                break
            except OSError:
                time.sleep(0.05)
        verdict = judged(faulty, "env")
    finally:
        holder.kill()
        holder.wait()
    assert verdict.failed() == {"S03"}, verdict.failures()
    told = verdict.checks["S03"]["reason"]
    assert f"port {faulty.ports['rag']} (for rag) is held by python3 (pid {holder.pid})" in told
    assert verdict.code == 1
    assert [row["id"] for row in verdict.rows] == PHASES[1]


@pytest.fixture
def small_models(tmp_path):
    """A models folder with copies that a test may damage; the real files are only read."""
    real = pathlib.Path(os.environ.get("MODELS_DIR", ROOT / "models"))
    folder = tmp_path / "models"
    folder.mkdir()
    for file in real.glob("*.gguf"):
        if file.name.startswith(("SmolLM2-135M", "multilingual-e5")):
            shutil.copy(file, folder / file.name)
    yield folder
    shutil.rmtree(folder)


def test_a_damaged_model_is_told(own_stack, small_models):
    faulty = own_stack(MODELS_DIR=small_models, **SMALL)
    assert judged(faulty, "env").outcome("S04") == "PASS"
    model = next(small_models.glob("SmolLM2*.gguf"))
    size = model.stat().st_size

    # A byte in the middle: only the checksum tells.
    with open(model, "r+b") as file:
        file.seek(size // 2)
        byte = file.read(1)[0]
        file.seek(size // 2)
        file.write(bytes([byte ^ 1]))
    changed = judged(faulty, "env")
    assert changed.failed() == {"S04"} and changed.code == 1, changed.failures()
    assert "SHA-256" in changed.told("S04") and model.name in changed.told("S04")

    os.truncate(model, size - 1_000_000)
    cut = judged(faulty, "env")
    assert cut.failed() == {"S04"} and cut.code == 1, cut.failures()
    assert "cut off" in cut.told("S04") and model.name in cut.told("S04")
    assert [row["id"] for row in cut.rows] == PHASES[1]

    # Nor does the stack start a model that is cut off: it says so.
    faulty.start("--only", "inference-chat", "--no-wait")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        row = faulty.status()["services"][0]
        if "cut off" in ((row["reason"] or "") if "reason" in row else "") + log(faulty, "inference-chat"):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(f"nothing says that the model is cut off: {row}\n{log(faulty, 'inference-chat')[-1_000:]}")
    faulty.run("down")

    model.unlink()
    gone = judged(faulty, "env")
    assert gone.failed() == {"S04"} and gone.code == 1, gone.failures()
    assert "missing" in gone.told("S04") and "maru models pull smollm2-135m" in gone.told("S04")


def test_a_model_may_be_a_symbolic_link(own_stack, small_models, tmp_path):
    """Models are large, and kept where there is room."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in small_models.glob("*.gguf"):
        (linked / file.name).symlink_to(file)
    verdict = judged(own_stack(MODELS_DIR=linked, **SMALL), "env")
    assert verdict.outcome("S04") == "PASS", verdict.told("S04")


def log(stack, service):
    path = stack.data / "logs" / f"{service}.log"
    return path.read_text() if path.exists() else ""


def test_services_that_do_not_run_are_told_and_the_others_are_judged_all_the_same(own_stack):
    faulty = own_stack(**SMALL)
    faulty.start("--only", "embedding,qdrant")
    verdict = judged(faulty, "verify", "--patience", 1)
    assert verdict.code == 1
    assert [row["id"] for row in verdict.rows] == ALL
    missing = ["inference-chat", "inference-code", "api-gateway", "rag", "mcp-server", "memory-api", "memory-maintainer"]
    assert verdict.told("S07").startswith("FAIL 2 of 9: not running: ")
    assert all(name in verdict.told("S07") for name in missing) and "qdrant" not in verdict.told("S07")
    for name, service in (("S09", "api-gateway"), ("S10", "rag"), ("S12", "inference-chat"), ("S13", "inference-code"), ("S15", "memory-api")):
        assert verdict.told(name).startswith("FAIL no answer: ") and f"maru logs {service}" in verdict.told(name)
    assert {name: verdict.outcome(name) for name in ("S03", "S04", "S06", "S11", "S14", "F10", "S24", "C02", "C03", "C04", "S28", "P5")} == dict.fromkeys(
        ("S03", "S04", "S06", "S11", "S14", "F10", "S24", "C02", "C03", "C04", "S28", "P5"), "PASS"
    )
    assert "S07" in verdict.told("G1") and "S10" in verdict.told("G1") and verdict.outcome("G1") == "FAIL"
    # What cannot be done without them fails for that reason, and does not pass.
    for name in ("C01", "S26", "S27", "S30", "G2", "P1", "P2"):
        assert verdict.outcome(name) in ("FAIL", "INCONCLUSIVE"), verdict.told(name)
    absent = {"S08", "S15", "S22", "C05", "C06", "C07", "C08", "C09", "C10", "F13", "S29", "S32", "N10"}
    assert absent <= verdict.failed() <= absent | {"S07", "S09", "S10", "S12", "S13", "G1", "C01", "S26", "S27", "S30", "G2", "P1", "P2"}


def test_a_stack_that_was_killed_is_told_to_be_down(own_stack):
    faulty = own_stack()
    faulty.start("--only", "qdrant")
    status = faulty.status()
    assert judged(faulty, "health", "--patience", 0).outcome("S14") == "PASS"
    faulty.kill(status["pid"])
    faulty.kill(status["services"][0]["pid"])
    verdict = judged(faulty, "health", "--patience", 0)
    assert verdict.outcome("S07") == verdict.outcome("S14") == "FAIL"
    assert "qdrant" in verdict.told("S07")
    assert verdict.outcome("F10") == "PASS"
    # Services that outlive their supervisor by a moment end by themselves.
    faulty.run("down")
    assert faulty.processes() == {} and faulty.held_ports() == []


def test_collections_that_do_not_fit_the_model_are_told(own_stack, tmp_path):
    faulty = own_stack(**SMALL)
    faulty.start("--only", "embedding,qdrant,rag,mcp-server,memory-api", "--no-wait")
    for service in ("embedding", "qdrant", "mcp-server", "memory-api"):
        faulty.wait_ready(service)
    faulty.wait_alive("rag")
    (tmp_path / "a.md").write_text("# Bread\n\nBread is baked in the morning.\n")
    for name in ("fits", "changed", "gone"):
        faulty.run("index", tmp_path, "--collection", name)
    # A document without text makes no collection, and there is nothing wrong with that.
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "b.md").write_text("")
    faulty.run("index", tmp_path / "empty", "--collection", "empty")
    good = judged(faulty, "verify", "--phase", 4)
    assert good.told("C01").startswith("PASS 3 collections of 384") and good.code == 0

    url = faulty.url("qdrant") + "/collections/"
    for name in ("changed", "gone"):
        assert httpx.delete(url + name).json()["result"] is True
    assert httpx.put(url + "changed", json={"vectors": {"size": 8, "distance": "Cosine"}}).status_code == 200
    verdict = judged(faulty, "verify", "--phase", 4)
    assert verdict.failed() == {"C01"} and verdict.code == 1, verdict.failures()
    assert verdict.checks["C01"]["value"] == "2 of 3"
    assert "collection changed has 8 dimensions, the model 384" in verdict.told("C01")
    assert "collection gone is missing" in verdict.told("C01")
    assert "fits" not in verdict.checks["C01"]["reason"]
    # What is advised helps.
    advice = re.search(r"\((curl [^)]*/collections/changed)\)", verdict.checks["C01"]["reason"]).group(1)
    subprocess.run(["bash", "-c", advice], check=True, capture_output=True)
    faulty.run("index", tmp_path / "a.md", "--collection", "changed")
    assert judged(faulty, "verify", "--phase", 4).checks["C01"]["value"] == "1 of 3"
    assert [row["id"] for row in verdict.rows] == PHASES[4]


def test_a_full_disk_is_told_and_stops_no_check(own_stack, small_disk):
    faulty = own_stack()
    disk = small_disk(faulty)
    faulty.start("--only", "qdrant")
    disk.fill()
    verdict = judged(faulty, "verify", "--phase", 1, "--phase", 4)
    assert verdict.code == 1
    assert verdict.told("S06").startswith("FAIL 0.0 GB free: ") and str(faulty.data) in verdict.told("S06")
    assert [row["id"] for row in verdict.rows] == PHASES[1] + PHASES[4]
    assert verdict.outcome("S03") == verdict.outcome("C02") == "PASS"
    assert "The report could not be kept" in verdict.errors
    words = faulty.run("env", check=False)
    assert words.returncode == 1
    assert "FAIL: S06" in words.stdout and "The report could not be kept" in words.stderr
    # A half-written report would be taken for one.
    for folder in reports(faulty) + reports(faulty, "env"):
        for file in folder.iterdir():
            assert file.stat().st_size > 0, file
    disk.make_room()
    assert judged(faulty, "env").errors == ""
    assert len(reports(faulty, "env")) >= 1


def test_on_a_full_disk_a_stack_does_not_start_and_says_why(own_stack, small_disk):
    faulty = own_stack()
    disk = small_disk(faulty)
    disk.fill()
    refused = faulty.run("up", "--only", "qdrant", check=False)
    assert refused.returncode != 0
    assert "Fatal error" not in refused.stderr
    assert re.search("no space|disk.*full|full.*disk", refused.stderr, re.IGNORECASE), refused.stderr
    assert str(faulty.data) in refused.stderr, refused.stderr
    assert faulty.processes() == {} and faulty.held_ports() == []
    disk.make_room()
    faulty.start("--only", "qdrant")
    assert faulty.get("qdrant", "/health")[0] == 200


def test_secrets_that_others_can_read_are_told(own_stack):
    faulty = own_stack()
    faulty.start("--only", "qdrant")
    key = faulty.data / "secrets" / "admin.key"
    assert judged(faulty, "verify", "--phase", 4).outcome("C02") == "PASS"
    key.chmod(0o644)
    verdict = judged(faulty, "verify", "--phase", 4)
    assert verdict.outcome("C02") == "FAIL" and verdict.code == 1
    assert "admin.key has mode 644" in verdict.told("C02")
    assert "service.key" not in verdict.checks["C02"]["reason"]
    assert [row["id"] for row in verdict.rows] == PHASES[4]
    key.chmod(0o600)
    (faulty.data / "secrets").chmod(0o755)
    verdict = judged(faulty, "verify", "--phase", 4)
    assert "secrets has mode 755" in verdict.told("C02")
    # The key itself is never part of what is reported.
    for file in (faulty.data / "reports").rglob("*.*"):
        assert not file.is_file() or key.read_text().strip() not in file.read_text()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_reach_is_refused_without_production_mode(own_stack, host):
    faulty = own_stack(HOST=host)
    for command in (["up", "--only", "qdrant"], ["serve", "qdrant"], ["env"], ["verify"], ["config"]):
        refused = faulty.run(*command, check=False, timeout=60)
        assert refused.returncode != 0, command
        assert "HOST" in refused.stderr and host in refused.stderr and "SECURITY_MODE" in refused.stderr, (command, refused.stderr)
    assert faulty.processes() == {}
    faulty.environment["SECURITY_MODE"] = "production"
    allowed = faulty.run("config", "--json")
    assert {row["name"]: row["value"] for row in json.loads(allowed.stdout)}["HOST"] == host


def test_an_engine_without_its_protections_is_told(own_stack):
    faulty = own_stack(**SMALL)
    assert judged(faulty, "verify", "--phase", 4).outcome("C04") == "INCONCLUSIVE"
    faulty.start("--only", "inference-chat")
    good = judged(faulty, "verify", "--phase", 4)
    assert good.outcome("C04") == "PASS" and "--api-key-file" in good.checks["C04"]["evidence"]
    bare = subprocess.Popen(["sleep", "600"])
    try:
        started = pathlib.Path(f"/proc/{bare.pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
        (faulty.data / "run" / "inference-code.engine.pid").write_text(f"{bare.pid} {started}\n")
        verdict = judged(faulty, "verify", "--phase", 4)
    finally:
        bare.kill()
        bare.wait()
    assert verdict.outcome("C04") == "FAIL" and verdict.code == 1
    assert "inference-code runs without --host 127.0.0.1 and --api-key-file" in verdict.told("C04")
    assert "inference-chat runs" not in verdict.told("C04")


def test_a_restart_is_told(own_stack):
    faulty = own_stack()
    faulty.start("--only", "qdrant")
    assert judged(faulty, "health", "--patience", 0).outcome("F09") == "PASS"
    before = faulty.status()["services"][0]["pid"]
    faulty.kill(before)
    deadline = time.monotonic() + 30
    while faulty.status()["services"][0].get("pid") in (before, None) and time.monotonic() < deadline:
        time.sleep(0.1)
    verdict = judged(faulty, "health", "--patience", 30)
    assert verdict.outcome("F09") == "WARN" and "qdrant was restarted" in verdict.checks["F09"]["evidence"]


def test_the_commands_of_the_report_run_as_they_are_written(proof):
    """Those of the stack's own routes; what a program of another machine or build needs is left out."""
    for name in ("S03", "S06", "S09", "S10", "S11", "S12", "S13", "S14", "F10", "F11", "C01", "S26", "S27", "S28", "P5"):
        row = proof.checks[name]
        result = subprocess.run(["bash", "-c", row["command"]], capture_output=True, text=True, timeout=120)
        assert result.returncode == 0 or name == "S03", (name, row["command"], result.stderr)
        assert result.stdout or name == "F10", (name, row["command"])


def test_errors_in_the_logs_are_told(own_stack):
    faulty = own_stack()
    faulty.start("--only", "qdrant")
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    old = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 3_600))
    with open(faulty.data / "logs" / "qdrant.log", "a") as file:
        for moment, message in ((old, "long ago"), (now, "just now")):
            file.write(json.dumps({"timestamp": moment, "level": "error", "service": "qdrant", "message": message}) + "\n")
    verdict = judged(faulty, "health", "--patience", 0)
    assert verdict.told("F09").startswith("WARN 1: ") and "just now" in verdict.told("F09")


def test_the_scripts_of_the_checklist_give_the_same_exit_codes(own_stack, small_models):
    if not any((ROOT / ".build" / build / "maru").exists() for build in ("release", "debug")):
        pytest.skip("the scripts go through the door of this checkout, which is not built")
    faulty = own_stack(MODELS_DIR=small_models, **SMALL)

    def script(name, *arguments):
        return subprocess.run(["bash", str(ROOT / "scripts" / name), *arguments], env=faulty.environment, cwd=ROOT, capture_output=True, text=True, timeout=300)

    good = script("validate_env.sh")
    assert good.returncode == 0, good.stdout + good.stderr
    next(small_models.glob("SmolLM2*.gguf")).unlink()
    bad = script("validate_env.sh")
    assert bad.returncode != 0 and "FAIL: S04" in bad.stdout
    down = script("health_check_all.sh", "--patience", "0")
    assert down.returncode != 0 and "FAIL: S07" in down.stdout


# MARK: What guards the tools


def test_guards_that_are_off_and_an_audit_log_that_was_touched_are_told(own_stack, small_models):
    faulty = own_stack(RBAC_ENABLED="false", APPROVAL_WORKFLOW_ENABLED="false", SANDBOX_ENABLED="false", MODELS_DIR=small_models, **SMALL).start("--only", "mcp-server")
    assert httpx.post(faulty.url("mcp-server") + "/tools/list_files/call", json={}).status_code == 200
    verdict = judged(faulty, "verify", "--phase", 4, "--patience", 0)
    assert verdict.told("S22").startswith("FAIL 1 of 4 on; a guest gets 200: ") and "must be answered 403" in verdict.told("S22"), verdict.told("S22")
    assert [entry.name for entry in (faulty.data / "workspace").iterdir()] == ["README.md"], "a check changes nothing"
    assert verdict.outcome("C06") == "FAIL" and "SANDBOX_ENABLED" in verdict.told("C06"), verdict.told("C06")
    assert verdict.outcome("C05") == "PASS", verdict.told("C05")
    with sqlite3.connect(faulty.data / "sqlite" / "security.db") as database:
        database.execute("UPDATE security_audit_logs SET user_id = 'somebody' WHERE log_id = 1")
    verdict = judged(faulty, "verify", "--phase", 4, "--patience", 0)
    assert verdict.outcome("C05") == "FAIL" and "record 1" in verdict.told("C05"), verdict.told("C05")


def test_a_tool_server_that_does_not_answer_fails_its_checks(own_stack, small_models):
    faulty = own_stack(MODELS_DIR=small_models, **SMALL).start("--only", "qdrant")
    verdict = judged(faulty, "verify", "--phase", 4, "--phase", 5, "--patience", 0)
    assert {"S22", "C05", "C06", "C07", "C08", "S29", "N10"} <= verdict.failed(), verdict.failures()


def test_memory_that_is_broken_is_told(own_stack):
    faulty = own_stack()
    faulty.start("--only", "embedding,qdrant,memory-api,memory-maintainer,mcp-server")
    pids = {row["service"]: row["pid"] for row in faulty.status()["services"]}
    for number in range(3):
        faulty.run("memory", "save", f"the plum number {number}", "is ripe", "--project", "orchard", "--importance", 9)
    faulty.run("memory", "sync", "--project", "orchard")
    checks = ("S15", "F13", "C09", "C10", "S32")

    def look(*phases):
        return judged(faulty, "verify", *(word for phase in phases for word in ("--phase", phase)), "--patience", 1)

    good = look(2, 4, 5)
    assert {name: good.outcome(name) for name in checks} == dict.fromkeys(checks, "PASS"), good.failures()
    assert "1 projects backed up and compared, 1 restored" in good.told("S32")
    # The proof leaves no project, no user and no vectors of its own.
    projects = json.loads(faulty.run("memory", "projects", "--json").stdout)
    assert [row["project_id"] for row in projects] == ["orchard"]
    assert "maru-verify" not in faulty.run("user", "list").stdout

    # A conversation that went without its index and its vector.
    database = faulty.data / "memory" / "projects" / "orchard" / "memory.db"
    with sqlite3.connect(database) as db:
        db.execute("DELETE FROM conversations WHERE id = 2")
    broken = look(4)
    assert broken.outcome("C09") == "FAIL" and "orchard" in broken.told("C09") and broken.code == 1
    assert faulty.run("memory", "check", check=False).returncode == 1
    faulty.run("memory", "restore", "--project", "orchard")
    faulty.run("memory", "sync", "--project", "orchard")
    assert look(4).outcome("C09") == "PASS"

    # No place for backups.
    backups = faulty.data / "memory" / "backups"
    backups.rename(backups.with_name("elsewhere"))
    backups.write_text("")
    assert look(5).outcome("S32") == "FAIL"
    backups.unlink()
    backups.with_name("elsewhere").rename(backups)

    # A database that is none.
    kept = database.read_bytes()
    (database.parent.parent / "ruin").mkdir()
    (database.parent.parent / "ruin" / "memory.db").write_bytes(b"no database " * 1_000)
    ruined = look(4)
    assert "ruin" in ruined.told("C09") and ruined.outcome("C09") == "FAIL"
    shutil.rmtree(database.parent.parent / "ruin")
    assert database.read_bytes()[:16] == kept[:16]

    # Services that hang.
    for service, name in (("memory-maintainer", "F13"), ("memory-api", "S15")):
        os.kill(pids[service], signal.SIGSTOP)
        try:
            time.sleep(16 if name == "F13" else 0)
            assert look(2).outcome(name) == "FAIL", service
        finally:
            os.kill(pids[service], signal.SIGCONT)
