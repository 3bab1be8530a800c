"""Whatever clients do, a service gives back what it took: descriptors, threads, children."""

import os
import pathlib
import socket
import subprocess
import time

import httpx
import pytest

from stack import MARU, ROOT


def held(pid):
    """Open descriptors, threads and children of a process. Files of databases are left out: a pool of at most five readers opens them as
    they are needed, and keeps them."""
    proc = pathlib.Path(f"/proc/{pid}")
    children = (proc / "task" / str(pid) / "children").read_text().split()
    descriptors = [target for target in map(target_of, (proc / "fd").iterdir()) if not target.endswith((".db", ".db-wal", ".db-shm"))]
    return {"descriptors": len(descriptors), "threads": len(list((proc / "task").iterdir())), "children": len(children)}


def target_of(descriptor):
    try:
        return os.readlink(descriptor)
    except FileNotFoundError:
        return ""  # closed since it was listed


def rude_clients(port, path, body):
    """Clients of every bad kind, one after the other."""
    address = ("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    whole = (head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    for number in range(60):
        with socket.create_connection(address) as client:
            kind = number % 6
            if kind == 0:
                client.sendall(whole)  # leaves without reading the answer
            elif kind == 1:
                client.sendall(whole[: len(whole) // 2])  # leaves in the middle of its request
            elif kind == 2:
                client.sendall(b"\x16\x03\x01\x02\x00garbage")  # speaks something else
            elif kind == 3:
                client.sendall((head + "Content-Length: 999999999\r\n\r\n").encode())  # promises too much
                client.recv(1024)
            elif kind == 4:
                client.sendall((head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel").encode())  # never ends its chunk
            # kind 5 says nothing at all


@pytest.mark.parametrize(
    "service, path, body",
    [
        ("qdrant", "/collections/none/points/query", b'{"query":[1,2]}'),
        ("api-gateway", "/v1/chat/completions", b'{"model":"chat-7b","messages":[{"role":"user","content":"hi"}],"stream":true}'),
        ("rag", "/query", b'{"query":"hi","stream":true}'),
    ],
)
def test_rude_clients_leave_nothing_behind(own_stack, service, path, body):
    short = own_stack(QDRANT_MAX_RETRIES=0)
    process = subprocess.Popen([str(MARU), "serve", service], env=short.environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if short.get(service, "/livez")[0] == 200:
                    break
            except OSError:
                time.sleep(0.05)
        port = short.ports[service]
        # One polite request first, since pools are made at their first use. The baseline is taken before any rude client: taken after, it
        # would count what such clients leave, and hide it.
        httpx.post(short.url(service) + path, content=body, timeout=60)
        before = held(process.pid)
        for _ in range(6):
            rude_clients(port, path, body)
        after = settled(process.pid, before)
        assert all(after[what] <= before[what] for what in before), (before, after)
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0


def settled(pid, wanted):
    """What a process holds once it has let go of what it will: it has half a minute for connections that are still closing."""
    deadline = time.monotonic() + 30
    now = held(pid)
    while time.monotonic() < deadline and any(now[what] > wanted[what] for what in wanted):
        time.sleep(0.1)
        now = held(pid)
    return now
