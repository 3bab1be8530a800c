"""Runs the cases of ssrf_cases.py against a tool server with a real browser."""

import http.server
import socket
import threading

import pytest

import ssrf_cases
from toolserver import ToolServer


class Site(http.server.BaseHTTPRequestHandler):
    """A page at every path; what it leads to stands behind the question mark."""

    def do_GET(self):
        path, _, target = self.path.partition("?")
        if path == "/redirect":
            self.send_response(302)
            self.send_header("Location", f"http://{target}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        pages = {
            "/refresh": f"<meta http-equiv=refresh content='0;url=http://{target}'>",
            "/script": f"<script>location = 'http://{target}'</script>",
            "/parts": f"<p>여기</p><img src=http://{target}/a.png><img src='/redirect?{target}'><iframe src=http://{target}/></iframe>"
            f"<link rel=stylesheet href=http://{target}/a.css><script>fetch('http://{target}/', {{mode: 'no-cors'}});"
            f"new WebSocket('ws://{target}/'); navigator.sendBeacon('http://{target}/')</script>",
        }
        body = ("<!doctype html><meta charset=utf-8>" + pages.get(path, "<p>여기</p>")).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Canary:
    """Listens on every address of this machine's loopback interface, and counts connections."""

    def __init__(self):
        self.sockets = [socket.create_server(("127.0.0.1", 0))]
        self.port = self.sockets[0].getsockname()[1]
        self.sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6) if socket.has_ipv6 else self.sockets[0])
        self.connections = []
        for listening in self.sockets:
            threading.Thread(target=self.listen, args=(listening,), daemon=True).start()

    def listen(self, listening):
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            self.connections.append(peer)
            connection.close()

    def close(self):
        for listening in self.sockets:
            listening.close()


@pytest.fixture(scope="module")
def web():
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    canary = Canary()
    server = ToolServer(RATE_LIMIT_ENABLED="false", WEB_ALLOWED_HOSTS=f"127.0.0.1:{site.server_port}")
    try:
        yield server.start(), site.server_port, canary
    finally:
        server.stop()
        site.shutdown()
        canary.close()


@pytest.mark.parametrize("name,url,holds", ssrf_cases.CASES, ids=[case[0] for case in ssrf_cases.CASES])
def test_no_tool_is_led_to_what_is_not_public(web, figure, name, url, holds):
    figure("S11")
    server, site, canary = web
    url = url.replace("{site}", str(site)).replace("{canary}", str(canary.port))
    answer = server.call("web_scrape", {"url": url, "selector": "p"}, key=server.admin_key)
    assert answer.status_code == holds["status"], answer.text
    if "code" in holds:
        assert answer.json()["code"] == holds["code"] and answer.json()["detail"], answer.text
    if "phrase" in holds:
        assert holds["phrase"] in answer.text
    assert canary.connections == [], "something was connected to that must not be"


def test_the_canary_would_have_noticed(web):
    _, _, canary = web
    with socket.create_connection(("127.0.0.1", canary.port), 5):
        pass
    for _ in range(100):
        if canary.connections:
            break
        threading.Event().wait(0.02)
    assert len(canary.connections) == 1
    canary.connections.clear()
