"""Stacks that remember: the memory service with what it needs, and the calls that every suite of it makes."""

import time

import httpx

from toolserver import ToolServer


class MemoryStack(ToolServer):
    """The memory service, supervised as `maru up` does it, beside the services that are named."""

    def __init__(self, *services, **settings):
        super().__init__(**settings)
        self.services = services or ("embedding", "qdrant", "memory-api")

    def start(self):
        self.run("up", "--only", ",".join(self.services), timeout=600)
        return self

    @property
    def service_key(self):
        return (self.data / "secrets" / "service.key").read_text().strip()

    def memory(self, key=None, timeout=60):
        return Memory(self.client(key, base="memory-api", timeout=timeout))

    def row(self, service):
        """What `maru status` tells of a service."""
        return next(row for row in self.status()["services"] if row["service"] == service)

    def points(self, project):
        """Every point of a project's collection by its number, with its payload; none where there is no collection."""
        found, offset = {}, None
        with self.client(self.service_key, base="qdrant") as client:
            while True:
                answer = client.post(f"/collections/memory_{project}/points/scroll", json={"limit": 1_000, "offset": offset, "with_payload": True})
                if answer.status_code == 404:
                    return {}
                assert answer.status_code == 200, answer.text
                told = answer.json()["result"]
                for point in told["points"]:
                    assert point["id"] not in found, "a point stands twice in its collection"
                    found[point["id"]] = point["payload"]
                offset = told["next_page_offset"]
                if offset is None:
                    return found


class Memory:
    """A caller of the memory service. What is not refused is given decoded."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def send(self, method, path, body=None, **more):
        if body is not None:
            more["json"] = body
        return self.client.request(method, "/v1/memory" + path, **more)

    def done(self, method, path, body=None, **more):
        answer = self.send(method, path, body, **more)
        assert answer.status_code in (200, 204), f"{method} {path}: {answer.status_code} {answer.text[:1_000]}"
        return answer.json() if answer.content else None

    def save(self, query, response="", **more):
        return self.done("POST", "/conversations", {"user_query": query, "ai_response": response or query, **more})["conversation_id"]

    def search(self, query, **more):
        return self.done("POST", "/conversations/search", {"query": query, **more})

    def found(self, query, **more):
        """Numbers of the conversations that a search finds, the best first."""
        return [result["id"] for result in self.search(query, **more)["results"]]

    def conversations(self, project, **query):
        """Every conversation of a project by its number."""
        told = self.done("GET", f"/projects/{project}/conversations", params={"limit": 1_000, **query})
        assert told["total"] == len(told["conversations"]), "there is more than one page"
        return {conversation["id"]: conversation for conversation in told["conversations"]}

    def queue(self, project):
        return self.done("GET", f"/projects/{project}/sync/queue")["queue_size"]

    def problems(self, project):
        return self.done("GET", f"/projects/{project}/check")["problems"]

    def wait_in_step(self, project, seconds=120):
        """Waits until the vector store was told of everything; nobody asks for it. What waits may take its time to be embedded, as long as it becomes less
        within so many seconds."""
        least, deadline, last, problem = float("inf"), time.monotonic() + seconds, time.monotonic() + 10 * seconds, ""
        while least > 0:
            try:
                waiting = self.queue(project)
            except (httpx.TransportError, AssertionError) as error:
                waiting, problem = least, f" ({error})"
            if waiting < least:
                least, deadline = waiting, time.monotonic() + seconds
            assert time.monotonic() < min(deadline, last), f"{least} changes of {project} wait, and become no less or too slowly{problem}"
            time.sleep(0.2)


def eventually(holds, what, seconds=60, pause=0.2):
    """Waits until something holds, and gives what it was. A service that is just being started again counts as not yet."""
    deadline = time.monotonic() + seconds
    problem = None
    while time.monotonic() < deadline:
        try:
            if value := holds():
                return value
        except (httpx.TransportError, OSError, AssertionError) as error:
            problem = error
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} s: {what}{f' ({problem})' if problem else ''}")
