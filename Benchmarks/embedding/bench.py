"""How fast texts are embedded by the managed encoder and by llama-server: the same service, model and texts, in turns within one run.

Prints a table and, as the last line, JSON. Exit code 1 when the encoder is not the faster one. Run by `make bench-embedding`."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import httpx

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Conformance"))

from stack import MARU, Stack  # noqa: E402

CONVERSATIONS = HERE.parent / "memory" / "conversations.json"


class Embedding:
    """An embedding service with one engine."""

    def __init__(self, engine):
        self.stack = Stack(EMBEDDING_ENGINE=engine, LOG_LEVEL="warning")
        self.process = subprocess.Popen([str(MARU), "serve", "embedding"], env=self.stack.environment, stdout=subprocess.DEVNULL)
        self.stack.wait_ready("embedding")
        self.client = httpx.Client(base_url=self.stack.url("embedding"), timeout=120)
        self.engine = self.stack.engine_pid("embedding")

    def embed(self, texts, purpose):
        self.client.post("/embed", json={"texts": texts, "purpose": purpose}).raise_for_status()

    def resident(self):
        """Megabytes of the engine that no file stands for."""
        line = next(line for line in pathlib.Path(f"/proc/{self.engine}/status").read_text().splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) // 1024

    def stop(self):
        self.client.close()
        self.process.terminate()
        self.process.wait(30)
        self.stack.stop()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    content = json.loads(CONVERSATIONS.read_text())
    questions = [question["question"] for question in content["questions"]][:60]
    passages = [" ".join((item["user_query"], item["ai_response"])) for item in content["conversations"]]
    passages = [" ".join(passages[start : start + 3]) for start in range(0, len(passages) - 2, 3)][:64]
    encoder = os.environ.get("EMBEDDING_ENGINE") or sys.exit("There is no encoder here: maru engine install says why.")
    engines = {}
    try:
        for name, engine in (("encoder", encoder), ("llama-server", "llama-server")):
            engines[name] = Embedding(engine)
        measured = {name: {"question": [], "batch_1": 0.0, "batch_32": 0.0} for name in engines}
        for service in engines.values():
            service.embed(passages[:4], "passage")
        for _ in range(given.rounds):
            for name, service in engines.items():
                for question in questions:
                    begin = time.perf_counter()
                    service.embed([question], "query")
                    measured[name]["question"].append((time.perf_counter() - begin) * 1e3)
                for size in (1, 32):
                    begin = time.perf_counter()
                    for start in range(0, len(passages), size):
                        service.embed(passages[start : start + size], "passage")
                    measured[name][f"batch_{size}"] += time.perf_counter() - begin
        told = {}
        for name, service in engines.items():
            took, texts = measured[name], given.rounds * len(passages)
            told[name] = {
                "question_p50_ms": round(percentile(took["question"], 0.5), 1), "question_p95_ms": round(percentile(took["question"], 0.95), 1),
                "batch_1_texts_per_second": round(texts / took["batch_1"], 1), "batch_32_texts_per_second": round(texts / took["batch_32"], 1),
                "memory_mb": service.resident()}
    finally:
        for service in engines.values():
            service.stop()
    for key in told["encoder"]:
        print(f"{key:28} encoder {told['encoder'][key]:8}   llama-server {told['llama-server'][key]:8}")
    ratios = {size: told["encoder"][f"{size}_texts_per_second"] / told["llama-server"][f"{size}_texts_per_second"] for size in ("batch_1", "batch_32")}
    print(json.dumps({**told, **{f"{size}_ratio": round(ratio, 2) for size, ratio in ratios.items()}}))
    return 0 if min(ratios.values()) >= 1 else 1


sys.exit(main())
