"""Memory and all it needs are killed at random while several write: nothing that was acknowledged is lost or comes back, and all is in step again by itself.

The full run is MEMORY_KILL_SECONDS=1800; the suite takes 40 seconds of it."""

import collections
import os
import random
import threading
import time

import httpx

from memorystack import MemoryStack, eventually

SECONDS = int(os.environ.get("MEMORY_KILL_SECONDS", "40"))
SERVICES = ("memory-api", "memory-maintainer", "qdrant", "embedding")
WRITERS = 4
# Two projects with two writers each: they meet in one database.
PROJECTS = ("orchard", "harbour")
PATIENCE = 300


class Writer:
    """Saves, changes and deletes turns of its own, and notes of each what was acknowledged, and what may be."""

    def __init__(self, stack, number):
        self.stack, self.number, self.project = stack, number, PROJECTS[number % len(PROJECTS)]
        self.random = random.Random(number)
        # The text of each conversation, or None for one that is deleted.
        self.certain = {}
        # What an unanswered request may have made of a conversation.
        self.uncertain = {}
        # Texts of saves that were not answered.
        self.unanswered = set()
        self.next = 0
        self.acknowledged = collections.Counter()
        self.wrong = []

    def run(self, done):
        client = None
        while not done.is_set():
            client = client or self.stack.memory(timeout=30)
            try:
                self.change(client)
            except httpx.TransportError:
                client.client.close()
                client = None
                time.sleep(0.1)
            time.sleep(0.02)

    def text(self):
        self.next += 1
        # Its first word stands in no other turn.
        return f"w{self.number}t{self.next} " + self.random.choice(("자두나무를 심었다", "the mast was painted", "배를 묶어 두었다", "plums are ripe"))

    def change(self, memory):
        alive = [number for number, text in self.certain.items() if text is not None and number not in self.uncertain]
        kind = self.random.choices(("save", "edit", "delete"), (6, 2, 2))[0] if len(alive) > 5 else "save"
        text = self.text()
        if kind == "save":
            self.unanswered.add(text)
            answer = memory.send("POST", "/conversations", {"user_query": text, "ai_response": text, "project_id": self.project, "importance_score": self.random.randint(5, 10)})
            if self.is_done(kind, answer, 200):
                self.unanswered.discard(text)
                self.certain[answer.json()["conversation_id"]] = text
            return
        number = self.random.choice(alive)
        path = f"/projects/{self.project}/conversations/{number}"
        self.uncertain[number] = text if kind == "edit" else None
        answer = memory.send("PATCH", path, {"user_query": text, "ai_response": text}) if kind == "edit" else memory.send("DELETE", path)
        if self.is_done(kind, answer, 200 if kind == "edit" else 204):
            self.certain[number] = self.uncertain.pop(number)

    def is_done(self, kind, answer, good):
        if answer.status_code == good:
            self.acknowledged[kind] += 1
            return True
        # While it starts or stops it may say so; anything else is a fault, above all that an acknowledged turn is not there.
        if answer.status_code != 503:
            self.wrong.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
        return False


class Killer:
    """Kills a service that runs, at random moments; each of them at least once."""

    def __init__(self, stack):
        self.stack = stack
        self.random = random.Random(9)
        self.first = self.random.sample(SERVICES, len(SERVICES))
        self.kills = collections.Counter()

    def run(self, until):
        while time.monotonic() < until or self.first:
            time.sleep(self.random.uniform(0.2, 3))
            running = {row["service"]: row["pid"] for row in self.stack.status()["services"] if row["service"] in SERVICES and row.get("pid")}
            wanted = self.first[0] if self.first else self.random.choices(SERVICES, (4, 1, 2, 2))[0]
            if pid := running.get(wanted):
                try:
                    self.stack.kill(pid)
                except ProcessLookupError:
                    continue
                self.kills[wanted] += 1
                if self.first:
                    self.first.pop(0)


def test_nothing_acknowledged_is_lost_when_memory_and_all_it_needs_are_killed_at_random():
    stack = MemoryStack(*SERVICES, TTL_CHECK_INTERVAL=1, MEMORY_SYNC_INTERVAL=2)
    try:
        stack.start()
        writers = [Writer(stack, number) for number in range(WRITERS)]
        done = threading.Event()
        threads = [threading.Thread(target=writer.run, args=(done,), daemon=True) for writer in writers]
        for thread in threads:
            thread.start()
        killer = Killer(stack)
        killer.run(time.monotonic() + SECONDS)
        done.set()
        for thread in threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a writer hangs on a killed service"
        settled(stack, writers, killer)
    finally:
        stack.stop()


def settled(stack, writers, killer):
    """What is there once everything runs again, which takes nobody's help."""
    eventually(lambda: all(stack.row(service)["state"] == "ready" for service in SERVICES), "every service runs again", PATIENCE)
    restarts = {service: stack.row(service)["restarts"] for service in SERVICES}
    assert all(restarts[service] >= 1 for service in SERVICES) and sum(restarts.values()) >= sum(killer.kills.values()), (restarts, killer.kills)
    wrong = [problem for writer in writers for problem in writer.wrong]
    assert not wrong, wrong[:10]
    acknowledged = sum((writer.acknowledged for writer in writers), collections.Counter())
    print(f"{dict(killer.kills)} kills, acknowledged {dict(acknowledged)}")
    assert all(acknowledged[kind] >= 10 for kind in ("save", "edit", "delete")), acknowledged
    with stack.memory() as memory:
        for project in PROJECTS:
            there = {number: turn["user_query"] for number, turn in everything(memory, project).items()}
            own = [writer for writer in writers if writer.project == project]
            for writer in own:
                for number, text in writer.certain.items():
                    allowed = [text] + ([writer.uncertain[number]] if number in writer.uncertain else [])
                    if there.get(number) not in allowed:
                        wrong.append(f"{project}/{number} is {there.get(number)!r}, not {allowed}")
            known = {number for writer in own for number in writer.certain}
            unanswered = {text for writer in own for text in writer.unanswered}
            wrong += [f"{project}/{number} is of nobody: {text}" for number, text in there.items() if number not in known and text not in unanswered]
            assert not wrong, f"{len(wrong)}: {wrong[:10]}"
            assert len(set(there.values())) == len(there), "a turn is there twice"
            # The queue drains, and then all three agree.
            memory.wait_in_step(project, PATIENCE)
            assert memory.problems(project) == []
            points = stack.points(project)
            assert set(points) == set(there)
            assert {number: point["user_query"] for number, point in points.items()} == there, "a vector is of what was there before"
            for number in random.Random(1).sample(sorted(there), 5):
                assert memory.found(there[number].split()[0], project_id=project, use_vector_search=False) == [number]


def everything(memory, project):
    """Every conversation, page by page."""
    found, total = {}, 1
    while len(found) < total:
        told = memory.done("GET", f"/projects/{project}/conversations", params={"limit": 1_000, "offset": len(found)})
        total = told["total"]
        if not told["conversations"]:
            break
        found |= {turn["id"]: turn for turn in told["conversations"]}
    assert len(found) == total
    return found
