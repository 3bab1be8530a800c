"""The vector store is stopped while memory is used: words are searched, and what waits is written by itself once the store is back.

The full run is MEMORY_OUTAGE_SECONDS=3600; the suite takes 20 seconds of it."""

import os
import time

from memorystack import MemoryStack

SECONDS = int(os.environ.get("MEMORY_OUTAGE_SECONDS", "20"))
# So much between two conversations that an hour leaves some 1,800 of them.
PAUSE = 2 if SECONDS > 600 else 0.2
WITHOUT_VECTORS = ("embedding", "memory-api", "memory-maintainer")
PATIENCE = 600


def test_memory_answers_by_words_while_the_vector_store_is_stopped_and_catches_up_by_itself():
    stack = MemoryStack(*WITHOUT_VECTORS, "qdrant")
    try:
        stack.start()
        with stack.memory() as memory:
            kept = {memory.save(text): text for text in (f"등대 lighthouse {number}" for number in range(20))}
            project = memory.done("GET", "/projects")["projects"][0]["project_id"]
            memory.wait_in_step(project, PATIENCE)
            assert set(stack.points(project)) == set(kept)

        run_only(stack, *WITHOUT_VECTORS)
        with stack.memory() as memory:
            turns = outage(memory, project, kept, time.monotonic() + SECONDS)
            assert memory.queue(project) >= sum(not text.startswith("등대") for text in kept.values()), "not all that the store was not told of is counted"

        run_only(stack, *WITHOUT_VECTORS, "qdrant")
        with stack.memory() as memory:
            begun = time.monotonic()
            memory.wait_in_step(project, PATIENCE)
            print(f"{turns} conversations in {SECONDS} s without vectors, written {time.monotonic() - begun:.0f} s after the store was back")
            assert memory.problems(project) == []
            assert {number: point["user_query"] for number, point in stack.points(project).items()} == kept
            told = memory.search("where is the beacon")
            assert told["search_type"] == "hybrid" and told["results"]
    finally:
        stack.stop()


def run_only(stack, *services):
    """Starts the stack anew with so many of its services."""
    stack.run("down")
    stack.services = services
    stack.start()


def outage(memory, project, kept, until):
    """Saves, searches, changes and deletes until a moment; `kept` is what must be there then. Gives how many were saved."""
    turn = 0
    while time.monotonic() < until or turn < 40:
        turn += 1
        text = f"turn{turn} 부두 quay"
        number = memory.save(text)
        kept[number] = text
        told = memory.search(f"turn{turn}")
        assert told["search_type"] == "fts5" and told["vector_search_unavailable"], told
        assert told["results"][0]["id"] == number, told
        # Of a conversation that the store knows, and of the oldest, which soon is one that it does not.
        if turn % 20 == 10:
            edited = list(kept)[5]
            kept[edited] = f"edit{turn} 방파제 pier"
            memory.done("PATCH", f"/projects/{project}/conversations/{edited}", {"user_query": kept[edited]})
        if turn % 2 == 0:
            oldest = next(iter(kept))
            memory.done("DELETE", f"/projects/{project}/conversations/{oldest}")
            del kept[oldest]
        time.sleep(PAUSE)
    return turn
