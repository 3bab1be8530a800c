"""S1: who may have a browser talk to a service. Names that were rebound and pages of other sites are refused on every port, by every spelling."""

import socket

import pytest

from toolserver import Services

PAGE, NAME = "https://console.example.com", "maru.internal"


@pytest.fixture(scope="module")
def services():
    running = Services(ALLOWED_ORIGINS=PAGE, ALLOWED_HOSTS=NAME)
    try:
        yield running.start()
    finally:
        running.stop()


# Bytes of the Host header; `{port}` stands for the port.
OWN_HOSTS = ["localhost:{port}", "localhost", "127.0.0.1:{port}", "127.0.0.1", "[::1]:{port}", "[::1]", "LocalHost:{port}", "localhost:1", "127.0.0.1:65535", NAME, NAME + ":{port}"]
OTHER_HOSTS = [
    "example.com", "example.com:{port}", "127.0.0.1.example.com", "localhost.example.com:{port}", "127.0.0.1.nip.io:{port}", "localtest.me:{port}", "rebind.network:{port}",
    "localhost.", "localhost.localdomain", "a.localhost:{port}", "0.0.0.0:{port}", "0:{port}", "127.1:{port}", "127.0.0.2:{port}", "0x7f.1:{port}", "0x7f000001:{port}", "2130706433:{port}",
    "017700000001:{port}", "[::]:{port}", "[::ffff:127.0.0.1]:{port}", "[0:0:0:0:0:0:0:1]:{port}", "[::1].example.com", "::1", "[::1", "localhost:{port}:{port}", "localhost:{port}a",
    "localhost@example.com", "example.com@localhost.evil:{port}", "localhost, example.com", "localhost/example.com", "localhost%00.example.com",
    "localhost%2eexample.com", "xn--lcalhost-5mf:{port}", "l\xefcalhost:{port}", "metadata.google.internal", "169.254.169.254", "x" + NAME, NAME + ".example.com", "evil" + NAME, "host.docker.internal:{port}", "-", "*",
]
OWN_ORIGINS = [None, "http://localhost:{port}", "https://localhost:{port}", "HTTP://LOCALHOST:{port}", PAGE]
OTHER_ORIGINS = [
    "null", "NULL", "", "*", "file://", "about:blank", "data:text/html,x", "blob:http://localhost:{port}/1", "javascript:0", "chrome-extension://abc", "moz-extension://abc",
    "https://example.com", "http://example.com:{port}", "http://localhost", "http://localhost:1", "http://127.0.0.1:{port}", "http://127.0.0.1", "http://[::1]:{port}", "http://localhost.:{port}",
    "http://localhost:{port}.example.com", "http://localhost:{port}@example.com", "http://example.com#http://localhost:{port}", "http://localhost:{port}/", "http://localhost:{port} https://example.com",
    "http://localhost:{port}, https://example.com", "ws://localhost:{port}", "ftp://localhost:{port}", "//localhost:{port}", "localhost:{port}", "http://localhost.example.com:{port}", "http://0.0.0.0:{port}",
    PAGE + ".evil.com", PAGE + ":8443", PAGE + "/", PAGE.replace("https", "http"), "https://evil" + PAGE[8:], PAGE.replace("console", "x.console"), "http://" + NAME, "http://l\xefcalhost:{port}",
]
# Whole requests that say who is meant in more ways than one.
CONFUSED = {
    "no host": "GET /livez HTTP/1.1\r\n\r\n",
    "an empty host": "GET /livez HTTP/1.1\r\nHost:\r\n\r\n",
    "two hosts, the own one first": "GET /livez HTTP/1.1\r\nHost: localhost:{port}\r\nHost: example.com\r\n\r\n",
    "two hosts, the own one last": "GET /livez HTTP/1.1\r\nHost: example.com\r\nHost: localhost:{port}\r\n\r\n",
    "another host in the request line": "GET http://example.com/livez HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "another host in front of the path": "GET //example.com/livez HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "the own name as a forwarded one": "GET /livez HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-Host: localhost:{port}\r\nForwarded: host=localhost\r\n\r\n",
    "a host that goes on in the next line": "GET /livez HTTP/1.1\r\nHost: localhost\r\n .example.com\r\n\r\n",
    "two origins, the own one first": "GET /livez HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\nOrigin: https://example.com\r\n\r\n",
    "two origins, the own one last": "GET /livez HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: https://example.com\r\nOrigin: http://localhost:{port}\r\n\r\n",
    "the old protocol, another host": "GET /livez HTTP/1.0\r\nHost: example.com\r\n\r\n",
    "the old protocol, no host": "GET /livez HTTP/1.0\r\n\r\n",
    "a page that asks whether it may": "OPTIONS /livez HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: https://example.com\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    "a rebound name that asks whether it may": "OPTIONS /livez HTTP/1.1\r\nHost: example.com\r\nOrigin: http://example.com\r\nAccess-Control-Request-Method: POST\r\n\r\n",
}


def sent(port, text):
    """The status of a raw request and the head of its answer; 0 where the connection was closed without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.replace("{port}", str(port)).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except ConnectionResetError:
            pass
    head = answer.split(b"\r\n\r\n")[0].decode("latin-1")
    return (int(head.split()[1]) if head else 0), head


def request(host, origin):
    lines = [f"Host: {host}"] + ([] if origin is None else [f"Origin: {origin}"])
    return "GET /livez HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\nConnection: close\r\n\r\n"


def cases():
    for host in OWN_HOSTS:
        yield f"host {host}", request(host, None), {200}
    for host in OTHER_HOSTS:
        yield f"host {host}", request(host, None), {400, 421}
        yield f"host {host}, its own page", request(host, "http://" + host), {400, 421}
    for origin in OWN_ORIGINS:
        yield f"origin {origin}", request("localhost:{port}", origin), {200}
    for origin in OTHER_ORIGINS:
        yield f"origin {origin}", request("localhost:{port}", origin), {403}
    yield "own page of 127.0.0.1", request("127.0.0.1:{port}", "http://127.0.0.1:{port}"), {200}
    yield "own page of ::1", request("[::1]:{port}", "http://[::1]:{port}"), {200}
    for name, text in CONFUSED.items():
        yield name, text, {0, 400, 403, 421}


@pytest.mark.parametrize("service", Services.ALIVE)
def test_only_this_machine_and_listed_pages_are_answered(services, figure, service):
    port = services.ports[service]
    tried, wrong = 0, []
    for name, text, expected in cases():
        tried += 1
        status, head = sent(port, text)
        # What is refused must not tell a browser either that it may be read.
        if status not in expected or (200 not in expected and "access-control-allow-origin" in head.lower()):
            wrong.append((name, status, head))
    figure("S1", cases=tried, through=len(wrong), note=f"{tried} cases on each of {', '.join(Services.ALIVE)}")
    assert tried >= 60 and not wrong, wrong
