"""Documents are read in whole, once, and again when that is needed, whatever happens around them."""

import json
import os
import urllib.parse
import uuid

import httpx
import pytest


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "leave.md").write_text("# 휴가\n\n연차는 해마다 15일이다.\n")
    (folder / "tea.md").write_text("# Tea\n\nGreen tea is brewed at 80 degrees.\n")
    return folder


@pytest.fixture
def collection(stack):
    name = f"index-{uuid.uuid4().hex[:8]}"
    yield name
    httpx.delete(stack.url("rag") + f"/collections/{name}", timeout=60)


def index(stack, folder, collection):
    return json.loads(stack.run("index", str(folder), "--collection", collection, "--json", check=False).stdout)


def points(stack, collection):
    return httpx.get(stack.url("qdrant") + f"/collections/{collection}", timeout=60).json()["result"]["points_count"]


def search(stack, collection, question):
    return httpx.post(stack.url("rag") + "/search", json={"query": question, "collection": collection}, timeout=60).json()["sources"]


def test_only_what_changed_is_read_in_again(stack, documents, collection):
    assert index(stack, documents, collection)["indexed"] == 2
    (documents / "tea.md").write_text("# Tea\n\nBlack tea is brewed at 95 degrees.\n")
    (documents / "leave.md").unlink()
    (documents / "new.txt").write_text("The printer is on the third floor.")
    told = index(stack, documents, collection)
    assert (told["indexed"], told["unchanged"], told["removed"]) == (2, 0, 1)
    assert "95" in search(stack, collection, "At what heat is tea brewed?")[0]["text"]
    assert not any("연차" in source["text"] for source in search(stack, collection, "연차"))
    assert points(stack, collection) == told["chunks"]


def test_vectors_that_were_lost_are_made_again(stack, documents, collection):
    index(stack, documents, collection)
    httpx.delete(stack.url("qdrant") + f"/collections/{collection}", timeout=60)
    assert index(stack, documents, collection)["indexed"] == 2
    assert search(stack, collection, "연차는 며칠?")[0]["file"].endswith("leave.md")
    some = httpx.post(stack.url("qdrant") + f"/collections/{collection}/points/scroll", json={"limit": 1}, timeout=60).json()["result"]["points"][0]
    httpx.post(stack.url("qdrant") + f"/collections/{collection}/points/delete", json={"points": [some["id"]]}, timeout=60)
    assert index(stack, documents, collection)["indexed"] == 1
    assert points(stack, collection) == 2


def test_vectors_that_no_document_names_are_removed_and_those_of_others_stay(stack, documents, collection):
    index(stack, documents, collection)
    leftover, foreign = "0a0a0a0a-0a0a-8a0a-8a0a-0a0a0a0a0a0a", "0b0b0b0b-0b0b-4b0b-8b0b-0b0b0b0b0b0b"
    vector = [1.0] + [0.0] * 383
    body = {"points": [{"id": leftover, "vector": vector}, {"id": foreign, "vector": vector}, {"id": 7, "vector": vector}]}
    assert httpx.put(stack.url("qdrant") + f"/collections/{collection}/points?wait=true", json=body, timeout=60).status_code == 200
    index(stack, documents, collection)
    answer = httpx.post(stack.url("qdrant") + f"/collections/{collection}/points", json={"ids": [leftover, foreign, 7]}, timeout=60)
    assert {point["id"] for point in answer.json()["result"]} == {foreign, 7}


def test_a_document_with_an_endless_line_keeps_no_other_out(stack, documents, collection):
    (documents / "a-padded.txt").write_text("a" + " " * 30_000 + "b\n" + "x" * 30_000 + "\n")
    told = index(stack, documents, collection)
    assert told["indexed"] == 3 and told["failed"] == []
    assert search(stack, collection, "연차는 며칠?")[0]["file"].endswith("leave.md")


def test_a_collection_of_any_name_is_forgotten_whole(stack, documents):
    name = "문서-모음"
    index(stack, documents, name)
    escaped = urllib.parse.quote(name)
    assert httpx.delete(stack.url("rag") + f"/collections/{escaped}", timeout=60).json() == {"deleted": name}
    assert httpx.get(stack.url("qdrant") + f"/collections/{escaped}", timeout=60).status_code == 404
    assert httpx.delete(stack.url("rag") + f"/collections/{escaped}", timeout=60).status_code == 404


@pytest.mark.parametrize("kind, status", [("pipe", 422), ("picture.png", 422), ("absent", 404)])
def test_what_is_no_document_is_refused(stack, tmp_path, kind, status):
    path = tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif status != 404:
        path.write_bytes(b"\x89PNG")
    answer = httpx.post(stack.url("rag") + "/index", json={"path": str(path), "collection": "refused"}, timeout=60)
    assert answer.status_code == status, answer.text
    assert str(path) in answer.json()["detail"]


def test_keys_and_the_systems_own_files_are_not_read(stack):
    for path in ("/etc", "/proc/self", str(stack.data / "secrets")):
        answer = httpx.post(stack.url("rag") + "/index", json={"path": path, "collection": "refused"}, timeout=60)
        assert answer.status_code == 403, path
