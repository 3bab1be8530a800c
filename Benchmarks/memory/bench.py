"""One project with a million generated conversations: how long a save, a search and an expiry take, over HTTP, against real services.

Prints a table and, as the last line, JSON. Exit code 1 when a bar is not reached. Run by `make bench-memory`; README.md says what is measured."""

import argparse
import concurrent.futures
import datetime
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Conformance"))

from stack import MARU, Stack  # noqa: E402

SAVE_P50, SEARCH_P95, EXPIRY_WAIT = 1.0, 50.0, 100.0
PROJECT, DIMENSION = "bench", 384
ENGLISH, KOREAN = 30_000, 10_000
SYNCED = "UPDATE conversation_embeddings SET sync_status = 'synced', qdrant_point_id = conversation_id WHERE sync_status <> 'synced'"
# Else memory would make all vectors anew.
OTHER_MODEL = "UPDATE project SET embedding_model = NULL"


class Texts:
    """Conversations of made-up words that occur as words do: the second half as often as the first (Zipf), a third of them Korean."""

    def __init__(self, seed=1):
        self.random = numpy.random.default_rng(seed)
        syllables = [c + v + e for c in "bdfgklmnprstvz" for v in "aeiou" for e in ("", "n", "r", "s")]
        hangul = [chr(code) for code in range(0xAC00, 0xD7A4, 28)] + [chr(code) for code in range(0xAC04, 0xD7A4, 140)]
        self.english = self.words(syllables, ENGLISH, 2, 4)
        self.korean = self.words(hangul, KOREAN, 2, 4)
        self.shares = {len(words): self.cumulative(len(words)) for words in (self.english, self.korean)}

    def words(self, syllables, count, least, most):
        known = {}
        while len(known) < count:
            known["".join(self.random.choice(syllables, self.random.integers(least, most + 1)))] = None
        return numpy.array(list(known), dtype=object)

    @staticmethod
    def cumulative(count):
        weights = 1 / numpy.arange(1, count + 1)
        return numpy.cumsum(weights) / weights.sum()

    def some(self, words, rows, columns):
        return words[numpy.searchsorted(self.shares[len(words)], self.random.random((rows, columns)))]

    def conversations(self, first, count, size):
        """As an import takes them, spread over the last 25 days so that none is past its time."""
        begun = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=25)
        asked, told = self.some(self.english, count, 10), self.some(self.english, count, 60)
        asked_korean, told_korean = self.some(self.korean, count, 6), self.some(self.korean, count, 40)
        entries = []
        for row in range(count):
            number = first + row
            is_korean = number % 3 == 0
            moment = begun + datetime.timedelta(days=24 * number / size)
            entries.append({
                "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z",
                "user_query": "는 ".join(asked_korean[row]) if is_korean else " ".join(asked[row]),
                "ai_response": "을 ".join(told_korean[row]) if is_korean else " ".join(told[row]),
                "model_used": "chat-7b" if number % 4 else "code-7b",
                "session_id": f"session-{number // 20}",
                "importance_score": 5 + number % 6,
                "tags": ["ops"] if number % 50 == 0 else [],
            })
        return entries

    def queries(self, count):
        """Lists of queries by what is hard about them.

        The frequent words among them are short, as they are in languages: else the model would have more to read than of any real question."""
        def pick(words, least, most, each):
            longest = 6 if words is self.english else 2
            some = [word for word in words[least:most] if len(word) <= longest] if 8 < most <= 5_000 else words[least:most]
            return [" ".join(some[i] for i in self.random.integers(0, len(some), each)) for _ in range(count)]
        return {
            "rare word": pick(self.english, 15_000, ENGLISH, 1),
            "common word": pick(self.english, 0, 8, 1),
            "common words": pick(self.english, 0, 8, 3),
            "several words": [" ".join(pair) for pair in zip(pick(self.english, 0, 50, 2), pick(self.english, 200, 5_000, 4))],
            "Korean": [" ".join(pair) for pair in zip(pick(self.korean, 0, 20, 1), pick(self.korean, 100, 5_000, 2))],
        }


class Stub(http.server.BaseHTTPRequestHandler):
    """An embedding service that costs nothing: a vector of the made-up ones for any text. They are JSON already, since what is written here in
    between would hold up the client, which is of the same process."""

    protocol_version = "HTTP/1.1"
    vectors: list[str] = []

    def do_GET(self):
        self.reply('{"status": "ok", "ok": true}')

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        rows = ",".join(self.vectors[hash(text) % len(self.vectors)] for text in body["texts"])
        self.reply(f'{{"embeddings": [{rows}], "model": "stub", "dim": {DIMENSION}, "normalize": true, "truncated": []}}')

    def reply(self, text):
        data = text.encode()
        # In one piece: else TCP would hold the second back until the first is confirmed.
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(data) + data)

    def log_message(self, *_):
        pass


class Client:
    """One connection that stays open. It does no more with an answer than it must, since a save takes less than a millisecond."""

    def __init__(self, url):
        host, port = url.removeprefix("http://").split(":")
        self.address, self.connection = (host, int(port)), None

    def call(self, method, path, body=None, timeout=3_600):
        status, text = self.raw(method, path, body if isinstance(body, bytes) or body is None else json.dumps(body).encode(), timeout)
        assert status < 300, f"{method} {path}: {status} {text[:300]}"
        return json.loads(text) if text else None

    def raw(self, method, path, body, timeout):
        if self.connection is None:
            connection = socket.create_connection(self.address, timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection = connection, connection.makefile("rb")
        connection, answer = self.connection
        head = f"{method} {path} HTTP/1.1\r\nhost: {self.address[0]}\r\ncontent-type: application/json\r\ncontent-length: {len(body or b'')}\r\n\r\n"
        connection.sendall(head.encode() + (body or b""))
        if not (first := answer.readline()):
            self.connection = None
            raise ConnectionError(f"{method} {path}: the service closed the connection")
        status, fields = int(first.split()[1]), {}
        while (line := answer.readline().strip()):
            name, value = line.split(b":", 1)
            fields[name.lower()] = value.strip().lower()
        text = b"" if status == 204 else self.chunks(answer) if fields.get(b"transfer-encoding") == b"chunked" else answer.read(int(fields[b"content-length"]))
        if fields.get(b"connection") == b"close":
            connection.close()
            self.connection = None
        return status, text

    @staticmethod
    def chunks(answer):
        """A body whose length was not known before (RFC 9112, section 7.1)."""
        pieces = []
        while (size := int(answer.readline(), 16)):
            pieces.append(answer.read(size))
            answer.readline()
        answer.readline()
        return b"".join(pieces)


class Services:
    """The services that memory takes, each a process of its own."""

    def __init__(self):
        self.stack = Stack(MAX_BODY_BYTES=1 << 26)
        self.running = {}
        (self.stack.data / "log").mkdir()

    def start(self, service, **environment):
        log = open(self.stack.data / "log" / f"{service}.log", "a")
        settings = {**self.stack.environment, **{name: str(value) for name, value in environment.items()}}
        self.running[service] = subprocess.Popen([str(MARU), "serve", service], env=settings, stderr=log, stdout=log)
        self.stack.wait_alive(service)

    def stop(self, service):
        process = self.running.pop(service)
        process.terminate()
        process.wait(60)

    def close(self):
        for service in list(self.running):
            self.stop(service)
        shutil.rmtree(self.stack.data, ignore_errors=True)

    def client(self, service):
        return Client(self.stack.url(service))

    def rss(self, service):
        status = pathlib.Path(f"/proc/{self.running[service].pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    @property
    def database(self):
        return self.stack.data / "memory" / "projects" / PROJECT / "memory.db"

    def change(self, sql):
        """Changes the database while no service has it open."""
        assert "memory-api" not in self.running
        with sqlite3.connect(self.database) as database:
            database.executescript(sql)
        database.close()
        # What was copied or changed so far must not be in the way of the first write that is measured.
        os.sync()

    def own_p50(self, since):
        """The median of saves as the service itself measured it, in ms, out of its histogram."""
        buckets = {edge: count - since.get(edge, 0) for edge, count in self.histogram().items()}
        half, before, low = max(buckets.values()) / 2, 0, 0.0
        for edge in sorted(buckets):
            if buckets[edge] >= half:
                return (low + (edge - low) * (half - before) / max(buckets[edge] - before, 1)) * 1_000
            before, low = buckets[edge], edge
        return float("nan")

    def histogram(self):
        _, text = self.stack.get("memory-api", "/metrics")
        found = re.findall(
            r'^memory_api_request_duration_seconds_bucket\{(?=[^}]*endpoint="/v1/memory/conversations")[^}]*le="([^"]+)"[^}]*\} (\S+)', text, re.M)
        return {float(edge.replace("+Inf", "inf")): float(count) for edge, count in found}


def stolen():
    """Processor time since the start of the machine, in all and what other guests of its host had of it instead (proc(5), /proc/stat)."""
    first = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0] if sys.platform == "linux" else "cpu 1 0 0 0 0 0 0 0"
    spent = [int(field) for field in first.split()[1:9]]
    return sum(spent), spent[7]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def timed(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1_000


def fill(services, texts, size):
    """Takes the conversations in over the import route."""
    client = services.client("memory-api")
    batch = 10_000
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(1) as maker:
        def make(first):
            return json.dumps({"conversations": texts.conversations(first, min(batch, size - first), size)}).encode()
        following = maker.submit(make, 0)
        for first in range(0, size, batch):
            body = following.result()
            if first + batch < size:
                following = maker.submit(make, first + batch)
            answer = client.call("POST", f"/v1/memory/projects/{PROJECT}/import", body)
            assert answer["imported"] == min(batch, size - first), answer
            progress(f"{first + batch:,} conversations, {(first + batch) / (time.perf_counter() - start):,.0f} a second")
    return size / (time.perf_counter() - start)


def conversations(services, texts, size, keep):
    """Fills the project, or takes it as an earlier run left it.

    Returns how many conversations were taken in a second."""
    kept = keep and keep / f"{size}"
    is_kept = kept and (kept / "rate").exists()
    if is_kept:
        shutil.copytree(kept / "memory", services.stack.data / "memory", dirs_exist_ok=True)
    # Nothing embeds yet: a million texts would take two cores a day.
    services.start("memory-api", EMBEDDING_PORT=1, QDRANT_PORT=1)
    rate = int((kept / "rate").read_text()) if is_kept else round(fill(services, texts, size))
    # As the maintainer does every week.
    services.client("memory-api").call("POST", f"/v1/memory/projects/{PROJECT}/optimize")
    services.stop("memory-api")
    services.change(SYNCED)
    if kept and not is_kept:
        shutil.copytree(services.stack.data / "memory", kept / "memory", dirs_exist_ok=True)
        (kept / "rate").write_text(str(rate))
    return rate


def made_up(random, centres, count):
    """Vectors around centres, in whole numbers: shorter to send, and the store scales them anyway."""
    rows = centres[random.integers(0, len(centres), count)] + random.normal(0, 0.7, (count, DIMENSION))
    return numpy.rint(rows * 40).astype(int)


def fill_vectors(services, random, centres, count, size):
    """Writes a vector for each of the newest conversations."""
    client = services.client("qdrant")
    client.call("PUT", f"/collections/memory_{PROJECT}", {"vectors": {"size": DIMENSION, "distance": "Cosine"}})
    start = time.perf_counter()
    batch = 500
    for first in range(0, count, batch):
        points = [
            {"id": number, "vector": vector.tolist(), "payload": {"conversation_id": number, "project_id": PROJECT}}
            for number, vector in enumerate(made_up(random, centres, min(batch, count - first)), size - count + first + 1)
        ]
        client.call("PUT", f"/collections/memory_{PROJECT}/points?wait=true", {"points": points})
        if first % 20_000 == 0:
            progress(f"{first + batch:,} vectors, {(first + batch) / (time.perf_counter() - start):,.0f} a second")
    return count / (time.perf_counter() - start)


def search(client, query, **more):
    answer = client.call("POST", "/v1/memory/conversations/search", {"query": query, "project_id": PROJECT, "limit": 10, **more})
    assert answer["search_type"] == "hybrid", answer.get("vector_search_unavailable")
    return answer["results"]


def searches(services, texts, count, size):
    """Times of searches in ms, by kind."""
    client = services.client("memory-api")
    queries = texts.queries(count)
    week = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=7)).isoformat()
    several = queries["several words"]
    runs = {
        **{kind: [(query, {}) for query in queries[kind]] for kind in queries},
        "importance from 8": [(query, {"importance_min": 8}) for query in several],
        "the last week": [(query, {"since": week}) for query in several],
        "a tag": [(query, {"tags": ["ops"]}) for query in several],
        "a session": [(query, {"session_id": f"session-{(size * turn // count) // 20}"}) for turn, query in enumerate(several)],
    }
    for query in several[:10]:
        search(client, query)
    return {kind: [timed(lambda: search(client, query, **more)) for query, more in run] for kind, run in runs.items()}


def saves(services, texts, count):
    """Times of saves in ms as the client sees them, and the service's own median."""
    client = services.client("memory-api")
    bodies = [json.dumps({
        "user_query": " ".join(texts.some(texts.english, 1, 10)[0]), "ai_response": " ".join(texts.some(texts.english, 1, 60)[0]), "project_id": PROJECT,
        "importance_score": 7}).encode() for _ in range(count)]
    before = services.histogram()
    times = [timed(lambda: client.call("POST", "/v1/memory/conversations", body)) for body in bodies]
    return times, services.own_p50(before)


def wait_in_step(services):
    """Until every conversation has its vector: what is measured next is not to wait for what was measured before."""
    client = services.client("memory-api")
    while client.call("GET", f"/v1/memory/projects/{PROJECT}/sync/queue?limit=1")["queue_size"]:
        time.sleep(0.5)


def expiry(services, texts, expired):
    """Removes what is past its time while a writer saves without a pause."""
    outcome = {}

    def clean():
        start = time.perf_counter()
        outcome["removed"] = services.client("memory-api").call("POST", f"/v1/memory/projects/{PROJECT}/cleanup")["deleted_conversations"]
        outcome["seconds"] = time.perf_counter() - start

    worker = threading.Thread(target=clean)
    waits = []
    client = services.client("memory-api")
    body = json.dumps({"user_query": "a turn that is kept meanwhile", "ai_response": "yes " * 20, "project_id": PROJECT, "importance_score": 9}).encode()
    worker.start()
    while worker.is_alive():
        waits.append(timed(lambda: client.call("POST", "/v1/memory/conversations", body)))
    worker.join()
    assert outcome.get("removed") == expired, f"{outcome} of {expired}"
    return waits, outcome["seconds"]


def progress(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--size", type=int, default=1_000_000, help="conversations")
    options.add_argument("--vectors", type=int, help="vectors that the store holds; as many as conversations without")
    options.add_argument("--queries", type=int, default=200, help="searches of each kind")
    options.add_argument("--keep", type=pathlib.Path, help="a folder in which the filled project is left for other runs, and from which it is taken")
    options.add_argument("--fill", action="store_true", help="do no more than that")
    options.add_argument("--saves", type=int, default=2_000)
    given = options.parse_args()
    size, vectors = given.size, given.vectors if given.vectors is not None else given.size
    expired = size // 10
    texts, random = Texts(), numpy.random.default_rng(2)
    centres = random.normal(0, 1, (2_000, DIMENSION))
    Stub.vectors = [json.dumps(vector.tolist()) for vector in made_up(random, centres, 4_096)]
    stub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    services = Services()
    figures = {"size": size, "vectors": vectors, "cores": os.cpu_count(), "load_before": os.getloadavg()[0]}
    try:
        figures["import_per_second"] = conversations(services, texts, size, given.keep)
        if given.fill:
            return 0
        services.start("qdrant")
        figures["vectors_per_second"] = round(fill_vectors(services, random, centres, vectors, size))

        os.sync()
        all_before, stolen_before = stolen()
        services.start("memory-api", EMBEDDING_PORT=stub.server_port)
        without = searches(services, texts, given.queries, size)
        own_saves, _ = saves(services, texts, given.saves)
        wait_in_step(services)
        services.stop("memory-api")
        services.change(OTHER_MODEL)

        services.start("embedding")
        services.stack.wait_ready("embedding")
        services.start("memory-api")
        search(services.client("memory-api"), "the first question waits until the model's scale is learnt")
        embedding = services.client("embedding")
        model = [timed(lambda: embedding.call("POST", "/embed", {"texts": [query], "purpose": "query"})) for query in texts.queries(given.queries)["several words"]]
        with_model = searches(services, texts, given.queries, size)
        save_times, own = saves(services, texts, given.saves)
        figures["rss_memory_mb"], figures["rss_vectors_mb"] = round(services.rss("memory-api")), round(services.rss("qdrant"))
        services.stop("memory-api")

        services.change(f"UPDATE conversations SET expires_at = '2020-01-01T00:00:00.000Z' WHERE id <= {expired}; {SYNCED}; {OTHER_MODEL}")
        services.start("memory-api", EMBEDDING_PORT=stub.server_port)
        waits, seconds = expiry(services, texts, expired)
        all_after, stolen_after = stolen()
        figures["stolen"] = round((stolen_after - stolen_before) / max(all_after - all_before, 1), 3)
        figures["rss_memory_after_expiry_mb"] = round(services.rss("memory-api"))
        figures["database_mb"] = round(sum(f.stat().st_size for f in services.database.parent.iterdir()) / 1e6)
    finally:
        services.close()

    def line(name, text, bar=""):
        print(f"{name:44} {text:>24}" + (f"   bar: {bar}" if bar else ""))

    def pair(values):
        return f"{percentile(values, 0.5):.1f} / {percentile(values, 0.95):.1f}"

    print(f"{size:,} conversations, {vectors:,} vectors of {DIMENSION}, {os.cpu_count()} cores, {figures['load_before']:.1f} busy before; times in ms, p50 / p95")
    line("processor time that other guests had meanwhile", f"{figures['stolen']:.1%}")
    line("save, over HTTP", f"{percentile(save_times, 0.5):.2f} / {percentile(save_times, 0.95):.2f}", f"p50 less than {SAVE_P50:g}")
    line("save, as the service measures it, p50", f"{own:.2f}")
    line("save, over HTTP, embedding costs nothing", f"{percentile(own_saves, 0.5):.2f} / {percentile(own_saves, 0.95):.2f}")
    for kind in with_model:
        line(f"search: {kind}", pair(with_model[kind]), f"p95 less than {SEARCH_P95:g}")
    for kind in without:
        line(f"search without the model: {kind}", pair(without[kind]))
    line("the model alone, for a question", pair(model))
    line(f"expiry of {expired:,}: longest wait of a save", f"{max(waits):.1f}", f"less than {EXPIRY_WAIT:g}")
    line("  saves meanwhile, p50 / p95", pair(waits))
    line("  removed a second", f"{expired / seconds:,.0f}")
    line("conversations taken in a second, by import", f"{figures['import_per_second']:,}")
    line("vectors written a second", f"{figures['vectors_per_second']:,}")
    line("memory-api, MB", f"{figures['rss_memory_mb']:,}")
    line("vector store, MB", f"{figures['rss_vectors_mb']:,}")
    line("database, MB", f"{figures['database_mb']:,}")
    common = with_model["common word"] + with_model["common words"]
    every = [value for values in with_model.values() for value in values]
    figures |= {
        "save_p50_ms": round(percentile(save_times, 0.5), 3), "save_p95_ms": round(percentile(save_times, 0.95), 3), "save_service_p50_ms": round(own, 3),
        "search_p50_ms": round(percentile(every, 0.5), 2), "search_p95_ms": round(percentile(every, 0.95), 2),
        "search_common_p95_ms": round(percentile(common, 0.95), 2),
        "search_without_model_p95_ms": round(percentile([value for values in without.values() for value in values], 0.95), 2),
        "expiry_longest_wait_ms": round(max(waits), 1), "expiry_per_second": round(expired / seconds),
        "search_by_kind_p95_ms": {kind: round(percentile(values, 0.95), 2) for kind, values in with_model.items()},
    }
    missed = [
        *(["save"] if figures["save_p50_ms"] >= SAVE_P50 else []),
        *([f"search: {kind}" for kind, values in with_model.items() if percentile(values, 0.95) >= SEARCH_P95]),
        *(["expiry"] if figures["expiry_longest_wait_ms"] >= EXPIRY_WAIT else []),
    ]
    for name in missed:
        print(f"FAILED: the bar of {name} is not reached")
    print(json.dumps(figures))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
