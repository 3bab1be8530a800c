"""What was acknowledged is kept: through kill -9 at any moment, through restarts, and on a full disk."""

import queue
import random
import signal
import subprocess
import threading
import time

import httpx
import pytest

from stack import MARU, ROOT

DIMENSION = 8
WRITERS = 4


class Service:
    """The vector store as a child of the test: killed and started again without anybody's back-off."""

    def __init__(self, stack):
        self.stack = stack
        self.process = None

    def start(self):
        log = open(self.stack.data / "qdrant.log", "ab")
        self.process = subprocess.Popen([str(MARU), "serve", "qdrant"], env=self.stack.environment, cwd=ROOT, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.stack.data / "qdrant.log").read_text()[-2_000:]
            try:
                if self.stack.get("qdrant", "/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("the vector store does not become ready")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


@pytest.fixture
def service(own_stack):
    made = Service(own_stack())
    yield made
    made.stop()


class Writer:
    """Changes points of its own for as long as it is answered, and remembers what each of them must be, or may be."""

    def __init__(self, stack, number, collection="kept"):
        self.url = f"{stack.url('qdrant')}/collections/{collection}/points"
        self.number = number
        self.random = random.Random(number)
        # What the store acknowledged of each point: (vector, payload), or None for one that was deleted.
        self.certain = {}
        # What it would be of a request that was not answered: it may have been kept or not.
        self.uncertain = {}
        # Points that were changed since they were last compared.
        self.touched = set()
        self.next = number * 1_000_000
        self.acknowledged = 0

    def run(self, told):
        """Until the connection breaks; reports each acknowledgement."""
        with httpx.Client(timeout=60) as client:
            while True:
                change, method, path, body = self.change()
                try:
                    answer = client.request(method, self.url + path + "?wait=true", json=body)
                except httpx.TransportError:
                    self.uncertain = change
                    return
                assert answer.status_code == 200, answer.text
                self.certain.update(change)
                self.touched.update(change)
                self.acknowledged += 1
                told.put(self.number)

    def change(self):
        """The points that a change leaves behind, and the request that makes it."""
        kind = self.random.random()
        recent = list(self.certain)[-200:]
        alive = [n for n in recent if self.certain[n] is not None]
        if kind < 0.6 or len(alive) < 5:
            new = range(self.next, self.next + self.random.randint(1, 20))
            self.next = new.stop
            return self.upsert(list(new))
        some = self.random.sample(alive, self.random.randint(1, 5))
        if kind < 0.75:
            return self.upsert(some)
        if kind < 0.9:
            member = {"late": self.random.random(), "text": "늦게"}
            change = {n: (self.certain[n][0], {**self.certain[n][1], **member}) for n in some}
            return change, "POST", "/payload", {"points": some, "payload": member}
        return {n: None for n in some}, "POST", "/delete", {"points": some}

    def upsert(self, numbers):
        # Eighths are exact in the 32-bit floats in which vectors are stored.
        change = {
            n: ([self.random.randint(-800, 800) / 8 for _ in range(DIMENSION)], {"n": n, "by": self.number, "text": "지워지면 안 된다 " * self.random.randint(1, 5), "list": [n, None, {"a": 1.5}]})
            for n in numbers
        }
        return change, "PUT", "", {"points": [{"id": n, "vector": vector, "payload": payload} for n, (vector, payload) in change.items()]}

    def settle(self, client, whole=True):
        """Compares points with what they must be, and takes over what an unanswered request turned out to have done."""
        everything = list((self.certain.keys() if whole else self.touched) | self.uncertain.keys())
        found = {}
        for start in range(0, len(everything), 500):
            answer = client.post(self.url, json={"ids": everything[start : start + 500], "with_payload": True, "with_vector": True})
            assert answer.status_code == 200, answer.text
            found |= {point["id"]: (point["vector"], point["payload"]) for point in answer.json()["result"]}
        missing = object()
        wrong = {n: found.get(n) for n in everything if n not in self.uncertain and found.get(n) != self.certain[n]}
        assert not wrong, f"{len(wrong)} of {len(everything)} acknowledged points are not what they were, first: {next(iter(wrong.items()))}"
        # A request is one change: it is there whole or not at all.
        if self.uncertain:
            before = {n: self.certain.get(n) for n in self.uncertain}
            now = {n: found.get(n) for n in self.uncertain}
            assert now in (before, self.uncertain), "an unanswered request was done by halves"
            self.certain.update({n: state for n, state in now.items() if state is not None or self.certain.get(n, missing) is not missing})
        self.uncertain, self.touched = {}, set()

    def alive(self):
        return sum(state is not None for state in self.certain.values())


def made(stack, distance="Dot", name="kept"):
    answer = httpx.put(f"{stack.url('qdrant')}/collections/{name}", json={"vectors": {"size": DIMENSION, "distance": distance}})
    assert answer.status_code == 200, answer.text


def write_until_killed(writers, acknowledgements, kill):
    """Lets writers work until so many changes were acknowledged, then kills under them."""
    told = queue.Queue()
    threads = [threading.Thread(target=writer.run, args=(told,), daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    for _ in range(acknowledgements):
        told.get(timeout=120)
    kill()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a writer hangs on a killed service"


def counted(stack, name="kept"):
    return httpx.post(f"{stack.url('qdrant')}/collections/{name}/points/count", json={"exact": True}).json()["result"]["count"]


def test_every_acknowledged_change_survives_twenty_kills_during_writing(service):
    stack = service.stack
    service.start()
    made(stack)
    writers = [Writer(stack, number) for number in range(WRITERS)]
    numbers = random.Random(20)
    for _ in range(20):
        write_until_killed(writers, numbers.randint(1, 40), service.kill)
        service.start()
        with httpx.Client(timeout=60) as client:
            for writer in writers:
                writer.settle(client, whole=False)
        assert counted(stack) == sum(writer.alive() for writer in writers)
    with httpx.Client(timeout=60) as client:
        for writer in writers:
            writer.settle(client)
    assert sum(writer.acknowledged for writer in writers) >= 20


def test_a_killed_store_finds_the_same_points_again(service):
    """Past 2,000 points searches go through the graph, which is no part of what is written."""
    stack = service.stack
    service.start()
    made(stack, "Cosine")
    numbers = random.Random(3)
    url = f"{stack.url('qdrant')}/collections/kept/points"
    with httpx.Client(timeout=120) as client:
        for start in range(0, 2_500, 500):
            points = [{"id": n, "vector": [numbers.gauss(0, 1) for _ in range(DIMENSION)], "payload": {"n": n}} for n in range(start, start + 500)]
            assert client.put(url, json={"points": points}).status_code == 200
        questions = [{"query": [numbers.gauss(0, 1) for _ in range(DIMENSION)], "limit": 10, "with_payload": True} for _ in range(20)]
        before = [client.post(url + "/query", json=question).json()["result"] for question in questions]
    service.kill()
    service.start()
    with httpx.Client(timeout=120) as client:
        assert [client.post(url + "/query", json=question).json()["result"] for question in questions] == before


def test_a_collection_that_was_made_or_deleted_stays_so_through_a_kill(service):
    stack = service.stack
    service.start()
    for turn in range(5):
        made(stack, name=f"made-{turn}")
        made(stack, name=f"gone-{turn}")
        assert httpx.delete(f"{stack.url('qdrant')}/collections/gone-{turn}").json()["result"] is True
        service.kill()
        service.start()
        _, told = stack.get("qdrant", "/collections")
        assert [entry["name"] for entry in told["result"]["collections"]] == [f"made-{number}" for number in range(turn + 1)]
    assert stack.get("qdrant", "/health")[0] == 200


def test_a_stop_that_is_asked_for_finishes_what_was_begun(service):
    stack = service.stack
    service.start()
    made(stack)
    writers = [Writer(stack, number) for number in range(WRITERS)]

    def terminate():
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=30) == 0

    write_until_killed(writers, 40, terminate)
    service.start()
    with httpx.Client(timeout=60) as client:
        for writer in writers:
            writer.settle(client)
    assert counted(stack) == sum(writer.alive() for writer in writers)


def test_killed_under_its_supervisor_the_store_comes_back_by_itself_with_everything(own_stack):
    stack = own_stack()
    stack.start("--only", "qdrant")
    made(stack)
    first = service_of(stack)
    recorded = stack.recorded_pid("qdrant")
    assert recorded == first["pid"] and first["restarts"] == 0
    writers = [Writer(stack, number) for number in range(WRITERS)]
    write_until_killed(writers, 50, lambda: stack.kill(recorded))
    stack.wait_ready("qdrant")
    with httpx.Client(timeout=60) as client:
        for writer in writers:
            writer.settle(client)
    assert counted(stack) == sum(writer.alive() for writer in writers)
    # The supervisor asks for itself; what it tells may come a moment after the service answers.
    deadline = time.monotonic() + 60
    while service_of(stack)["state"] != "ready" and time.monotonic() < deadline:
        time.sleep(0.1)
    now = service_of(stack)
    assert (now["state"], now["restarts"]) == ("ready", 1)
    assert now["pid"] not in (None, first["pid"])


def service_of(stack, name="qdrant"):
    return next(row for row in stack.status()["services"] if row["service"] == name)


# MARK: A full disk


def test_on_a_full_disk_writing_is_refused_and_nothing_acknowledged_is_lost(own_stack, small_disk):
    stack = own_stack()
    disk = small_disk(stack)
    stack.start("--only", "qdrant")
    made(stack)
    before = service_of(stack)
    writer = Writer(stack, 1)
    url = f"{stack.url('qdrant')}/collections/kept/points"
    with httpx.Client(timeout=60) as client:

        def write():
            change, method, path, body = writer.upsert(list(range(writer.next, writer.next + 20)))
            answer = client.request(method, writer.url + path, json=body)
            if answer.status_code == 200:
                writer.certain.update(change)
                writer.next += 20
            return answer

        for _ in range(10):
            assert write().status_code == 200
        disk.fill()
        # What SQLite has preallocated may still take some.
        refused = next((answer for answer in (write() for _ in range(2_000)) if answer.status_code != 200), None)
        assert refused is not None, "a full disk took everything"
        assert refused.status_code in (500, 503, 507), refused.text
        assert refused.json()["status"]["error"]

        # Reading goes on, the process lives, and the refused points are not there.
        assert client.post(url + "/query", json={"query": [1.0] * DIMENSION}).status_code == 200
        assert counted(stack) == writer.alive()
        writer.settle(client)
        assert service_of(stack)["pid"] == before["pid"]

        disk.make_room()
        assert write().status_code == 200
        assert counted(stack) == writer.alive()
    stack.kill(before["pid"])
    wait_for_another(stack, before["pid"])
    with httpx.Client(timeout=60) as client:
        writer.settle(client)
    assert counted(stack) == writer.alive()


def wait_for_another(stack, pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        now = service_of(stack)
        if now["state"] == "ready" and now["pid"] != pid:
            return
        time.sleep(0.1)
    raise AssertionError("the service did not come back")
