"""Addresses that web tools must not be led to; data for test_web_cases.py.

A case: (name, arguments, holds). `{canary}` stands for the port of a server that must not see one connection, `{site}` for the port of one
that WEB_ALLOWED_HOSTS names, on 127.0.0.1 both. holds: {"status": n, "code": the code, "phrase": words of the message}.
"""

_BLOCKED = {"status": 403, "code": "url_blocked"}
_MALFORMED = {"status": 422, "code": "invalid_value"}


def _refused(name, url, **holds):
    return (name, url, {**_BLOCKED, **holds})


# A host in every spelling, each with the canary's port.
_HOSTS = [
    ("loopback", "127.0.0.1"), ("loopback, short", "127.1"), ("loopback, decimal", "2130706433"), ("loopback, hex", "0x7f000001"),
    ("loopback, hex parts", "0x7f.0x0.0x0.0x1"), ("loopback, octal", "0177.0.0.1"), ("loopback, octal whole", "017700000001"),
    ("loopback, mixed", "0x7f.1"), ("loopback, trailing dot", "127.0.0.1."), ("loopback, another", "127.88.99.100"),
    ("loopback, percent", "%31%32%37.0.0.1"), ("loopback, wide digits", "１２７.０.０.１"), ("loopback, circled digits", "①②⑦.⓪.⓪.①"),
    ("loopback, ideographic dots", "127。0。0。1"), ("loopback, wide dots", "127．0．0．1"), ("this machine", "0.0.0.0"), ("this machine, short", "0"),
    ("name", "localhost"), ("name in capitals", "LocalHost"), ("name, trailing dot", "localhost."), ("name below it", "a.localhost"),
    ("name, wide letters", "ｌｏｃａｌｈｏｓｔ"), ("v6", "[::1]"), ("v6, long", "[0:0:0:0:0:0:0:1]"), ("v6, none", "[::]"),
    ("v6, mapped", "[::ffff:127.0.0.1]"), ("v6, mapped in hex", "[::ffff:7f00:1]"), ("v6, compatible", "[::127.0.0.1]"),
    ("v6, translated", "[64:ff9b::7f00:1]"), ("v6, 6to4", "[2002:7f00:1::]"), ("metadata", "169.254.169.254"),
    ("metadata, decimal", "2852039166"), ("metadata, hex", "0xa9fea9fe"), ("metadata, v6", "[fd00:ec2::254]"),
    ("metadata, mapped", "[::ffff:169.254.169.254]"), ("metadata of another", "100.100.100.200"), ("metadata by name", "metadata.google.internal"),
    ("private, ten", "10.0.0.1"), ("private, seventeen", "172.16.0.1"), ("private, nineteen", "192.168.0.1"), ("shared", "100.64.0.1"),
    ("link-local v6", "[fe80::1]"), ("multicast", "224.0.0.1"), ("broadcast", "255.255.255.255"), ("benchmarks", "198.18.0.1"),
]

CASES = [_refused(name, "http://%s:{canary}/" % host) for name, host in _HOSTS] + [
    _refused("metadata at its path", "http://169.254.169.254/latest/meta-data/iam/security-credentials/"),
    _refused("user before a host", "http://user:pass@127.0.0.1:{canary}/"),
    _refused("allowed host as the user", "http://127.0.0.1:{site}@127.0.0.1:{canary}/"),
    _refused("public host as the user", "http://example.com@127.0.0.1:{canary}/"),
    _refused("port of mail", "http://example.com:25/"),
    _refused("port of a shell", "http://example.com:22/"),
    _refused("another spelling of an allowed host", "http://localhost:{site}/"),
    _refused("file", "file:///etc/passwd"),
    _refused("file in capitals", "FILE:///etc/passwd"),
    _refused("file on a host", "file://127.0.0.1/etc/passwd"),
    _refused("script", "javascript:fetch('http://127.0.0.1:{canary}/')"),
    _refused("data", "data:text/html,<script/src=http://127.0.0.1:{canary}/></script>"),
    _refused("source", "view-source:http://127.0.0.1:{canary}/"),
    _refused("browser's own", "chrome://settings/"),
    _refused("blob", "blob:http://127.0.0.1:{canary}/x"),
    _refused("ftp", "ftp://127.0.0.1:{canary}/"),
    _refused("gopher", "gopher://127.0.0.1:{canary}/_x"),
    _refused("web socket", "ws://127.0.0.1:{canary}/"),
    ("backslashes", "http:\\\\127.0.0.1:{canary}\\", _MALFORMED),
    ("backslash before a user", "http://example.com\\@127.0.0.1:{canary}/", _MALFORMED),
    ("lines in the path", "http://127.0.0.1:{site}/\r\nX: y", _MALFORMED),
    ("lines in the host", "http://127.0.0.1:{site}\r\nHost: 127.0.0.1:{canary}/", _MALFORMED),
    ("tab in the host", "http://127.0.\t0.1:{canary}/", _MALFORMED),
    ("zero byte", "http://127.0.0.1:{site}\0.example.com/", _MALFORMED),
    ("unseen letter", "http://local\u200bhost:{canary}/", _MALFORMED),
    ("no scheme", "127.0.0.1:{canary}/", _MALFORMED),
    ("no host", "http:///etc/passwd", _MALFORMED),
    ("number too large", "http://127.0.0.256:{canary}/", _MALFORMED),
    ("five parts", "http://127.0.0.0.1:{canary}/", _MALFORMED),
    ("port too large", "http://127.0.0.1:99999/", _MALFORMED),
    ("zone", "http://[fe80::1%25lo]:{canary}/", _MALFORMED),
    # From a page that may be opened to one that may not.
    _refused("redirect", "http://127.0.0.1:{site}/redirect?127.0.0.1:{canary}"),
    _refused("redirect to a name", "http://127.0.0.1:{site}/redirect?localhost:{canary}"),
    _refused("redirect to a number", "http://127.0.0.1:{site}/redirect?2130706433:{canary}"),
    _refused("redirect to v6", "http://127.0.0.1:{site}/redirect?[::ffff:127.0.0.1]:{canary}"),
    _refused("redirect to metadata", "http://127.0.0.1:{site}/redirect?169.254.169.254"),
    _refused("redirect twice", "http://127.0.0.1:{site}/redirect?127.0.0.1:{site}/redirect?127.0.0.1:{canary}"),
    _refused("refresh", "http://127.0.0.1:{site}/refresh?127.0.0.1:{canary}"),
    _refused("script of a page", "http://127.0.0.1:{site}/script?127.0.0.1:{canary}"),
    # Parts of a page are left out, and the page is read.
    ("parts", "http://127.0.0.1:{site}/parts?127.0.0.1:{canary}", {"status": 200, "phrase": "여기"}),
    ("allowed", "http://127.0.0.1:{site}/", {"status": 200, "phrase": "여기"}),
]
