"""Paths that file tools must not be led by. Data for the suite of hostile cases.

A case: (name, tool, arguments, setup, holds).
setup: a list of steps in the workspace, each ("file", path, text), ("folder", path), ("link", path, target), ("hardlink", path, target),
       ("fifo", path), ("mode", path, bits); paths may lead out with ../ to prepare what must stay out of reach. `{root}` stands for the
       workspace's absolute path, `{outside}` for the folder around it; also in arguments. The text CANARY must never be in an answer.
holds: {"status": n or a list of them, "phrase": words of the message, "code": the code, "content": what a reading answers, "untouched": paths
       whose text must be what setup wrote, "missing": paths that must not exist afterwards}.
"""

CANARY = "canary-7f3a91"
NFC = "한글.txt"
NFD = "\u1112\u1161\u11ab\u1100\u1173\u11af.txt"

_SECRET = [("file", "../secret.txt", CANARY)]
_TRAVERSAL = {"status": 403, "code": "path_outside_workspace", "phrase": "blocked:"}
_WINDOWS = {"status": 403, "code": "path_denied", "phrase": "Windows system path blocked:"}
_DENIED = {"status": 403, "code": "path_denied", "phrase": "Sensitive file access blocked:"}


def _read(name, path, holds, setup=(), **more):
    return (name, "read_file", {"path": path, **more}, list(setup), holds)


CASES = [
    _read("parent", "../secret.txt", _TRAVERSAL, _SECRET),
    _read("parent behind a folder", "a/../../secret.txt", _TRAVERSAL, _SECRET + [("folder", "a")]),
    _read("many parents", "../" * 40 + "etc/passwd", _TRAVERSAL),
    _read("parents to a user's key", "../../root/.ssh/id_rsa", {"status": 403, "phrase": "blocked:"}),
    _read("parent from a working folder", "../../secret.txt", _TRAVERSAL, _SECRET + [("folder", "a")], working_dir="a"),
    _read("working folder outside", "secret.txt", _TRAVERSAL, _SECRET, working_dir=".."),
    _read("working folder of the system", "passwd", {"status": 403}, working_dir="/etc"),
    _read("absolute, passwd", "/etc/passwd", {"status": 403, "code": "path_outside_workspace", "phrase": "Sensitive file access blocked:"}),
    _read("absolute, shadow", "/etc/shadow", {"status": 403, "code": "path_outside_workspace", "phrase": "Sensitive file access blocked:"}),
    _read("absolute, doubled slashes", "//etc//passwd", {"status": 403}),
    _read("absolute, dots", "/./etc/./passwd", {"status": 403}),
    _read("absolute, program", "/bin/bash", {"status": 403, "phrase": "System path access blocked:"}),
    _read("absolute, sudo", "/usr/bin/sudo", {"status": 403, "phrase": "System path access blocked:"}),
    _read("absolute, proc", "/proc/self/environ", {"status": 403, "phrase": "System path access blocked:"}),
    _read("absolute, root through proc", "/proc/self/root/etc/passwd", {"status": 403, "phrase": "System path access blocked:"}),
    _read("absolute, device", "/dev/zero", {"status": 403, "phrase": "System path access blocked:"}),
    _read("absolute, sys", "/sys/kernel/notes", {"status": 403, "phrase": "System path access blocked:"}),
    _read("absolute, below the root and out", "{root}/../secret.txt", _TRAVERSAL, _SECRET),
    _read("prefix twin", "{root}-evil/a.txt", {"status": 403, "code": "path_outside_workspace"}, [("file", "{root}-evil/a.txt", CANARY)]),
    _read("prefix twin, relative", "../space-evil/a.txt", _TRAVERSAL),
    _read("link to the outside", "link", _TRAVERSAL, _SECRET + [("link", "link", "../secret.txt")]),
    _read("absolute link", "link", _TRAVERSAL, [("link", "link", "/etc/passwd")]),
    _read("link to a folder outside", "link/secret.txt", _TRAVERSAL, _SECRET + [("link", "link", "..")]),
    _read("chain of links", "one", _TRAVERSAL, _SECRET + [("link", "one", "two"), ("link", "two", "../secret.txt")]),
    _read("link to proc", "link/etc/passwd", {"status": 403}, [("link", "link", "/proc/self/root")]),
    _read("link to itself", "link", {"status": 403}, [("link", "link", "link")]),
    _read("links in a circle", "one", {"status": 403}, [("link", "one", "two"), ("link", "two", "one")]),
    _read("link to a secret", "notes.txt", _DENIED, [("file", ".env", CANARY), ("link", "notes.txt", ".env")]),
    _read("second name of a file outside", "notes.txt", _DENIED, _SECRET + [("hardlink", "notes.txt", "../secret.txt")]),
    _read("second name of a secret", "notes.txt", _DENIED, [("file", "a.key", CANARY), ("hardlink", "notes.txt", "a.key")]),
    _read("NUL", "a.txt\0.md", {"status": 422}),
    _read("line break", "a\nb", {"status": 422}),
    _read("escape sequence", "\x1b[2Ja", {"status": 422}),
    _read("empty", "", {"status": 422}),
    _read("long part", "n" * 300, {"status": 422}),
    _read("long path", "a/" * 2_040 + "the-end-of-it-all", {"status": 413}),
    _read("percent-encoded parents", "%2e%2e/%2e%2e/etc/passwd", {"status": 404}),
    _read("percent-encoded slash", "..%2fsecret.txt", {"status": 404}, _SECRET),
    _read("doubly encoded", "%252e%252e%252fsecret.txt", {"status": 404}, _SECRET),
    _read("wide dots", "．．/secret.txt", {"status": 404}, _SECRET),
    _read("three dots", ".../secret.txt", {"status": 404}, _SECRET),
    _read("home", "~/.bashrc", {"status": 404}),
    _read("variable", "$HOME/.bashrc", {"status": 404}),
    _read("file URL", "file:///etc/passwd", {"status": [403, 404]}),
    _read("Windows, backslashes", "C:\\Windows\\System32\\config\\SAM", _WINDOWS),
    _read("Windows, slashes", "C:/Windows/System32", _WINDOWS),
    _read("Windows, mixed", "c:\\Windows/System32", _WINDOWS),
    _read("Windows, no letter", "..\\..\\Windows\\win.ini", _WINDOWS),
    _read("Windows, long form", "\\\\?\\C:\\Windows", _WINDOWS),
    _read("Windows, pipe", "\\\\.\\pipe\\x", _WINDOWS),
    _read("Windows, share", "\\\\host\\share\\x", _WINDOWS),
    _read("Windows, long form with slashes", "//?/C:/Windows", _WINDOWS),
    _read("Windows, relative to a drive", "D:secret.txt", _WINDOWS),
    _read("secret: .env", ".env", _DENIED, [("file", ".env", CANARY)]),
    _read("secret: .env.local", "a/.ENV.local", _DENIED),
    _read("secret: key", "tls/server.KEY", _DENIED, [("file", "tls/server.KEY", CANARY)]),
    _read("secret: pem", "cert.pem", _DENIED, [("file", "cert.pem", CANARY)]),
    _read("secret: ssh", ".ssh/known_hosts", _DENIED, [("file", ".ssh/known_hosts", CANARY)]),
    _read("secret: ssh, capitals", "a/.SSH/config", _DENIED),
    _read("secret: private key", "id_ed25519", _DENIED, [("file", "id_ed25519", CANARY)]),
    _read("secret: aws", ".aws/credentials", _DENIED, [("file", ".aws/credentials", CANARY)]),
    _read("secret: credentials", "credentials.json", _DENIED, [("file", "credentials.json", CANARY)]),
    _read("secret: netrc", ".netrc", _DENIED, [("file", ".netrc", CANARY)]),
    _read("secret: docker", ".docker/config.json", _DENIED, [("file", ".docker/config.json", CANARY)]),
    _read("secret: kube", ".kube/config", _DENIED, [("file", ".kube/config", CANARY)]),
    _read("secret: passwords", "a.kdbx", _DENIED, [("file", "a.kdbx", CANARY)]),
    _read("secret: remotes", ".git/config", _DENIED, [("file", ".git/config", CANARY)]),
    _read("secret: through dots", "a/../.env", _DENIED, [("folder", "a"), ("file", ".env", CANARY)]),
    _read("secret: working folder", "known_hosts", _DENIED, [("file", ".ssh/known_hosts", CANARY)], working_dir=".ssh"),
    _read("pipe", "pipe", {"status": 422, "code": "not_a_file"}, [("fifo", "pipe")]),
    _read("folder", ".", {"status": 422, "code": "not_a_file"}),
    _read("binary", "a.txt", {"status": 422, "code": "not_text"}, [("file", "a.txt", "a\0b")]),
    _read("missing", "a.txt", {"status": 404, "code": "not_found"}),
    _read("below a file", "a.txt/b", {"status": 422}, [("file", "a.txt", "a")]),
    # What must work
    _read("administrator", "docs/administrator-guide.md", {"status": 200, "content": "guide"}, [("file", "docs/administrator-guide.md", "guide")]),
    _read("example", ".env.example", {"status": 200, "content": "A="}, [("file", ".env.example", "A=")]),
    _read("own etc", "etc/passwd", {"status": 200, "content": "mine"}, [("file", "etc/passwd", "mine")]),
    _read("link inside", "b.txt", {"status": 200, "content": "a"}, [("file", "a.txt", "a"), ("link", "b.txt", "a.txt")]),
    _read("composed for decomposed", NFC, {"status": 200, "content": "안녕"}, [("file", NFD, "안녕")]),
    _read("decomposed for composed", NFD, {"status": 200, "content": "안녕"}, [("file", NFC, "안녕")]),
    _read("name like an option", "--help", {"status": 200, "content": "a"}, [("file", "--help", "a")]),
    _read("absolute inside", "{root}/a.txt", {"status": 200, "content": "a"}, [("file", "a.txt", "a")]),
    # Lists, searches, folders
    ("list outside", "list_files", {"path": ".."}, _SECRET, _TRAVERSAL),
    ("list through a link", "list_files", {"path": "link"}, _SECRET + [("link", "link", "..")], _TRAVERSAL),
    ("list a secret folder", "list_files", {"path": ".ssh"}, [("file", ".ssh/id_rsa", CANARY)], _DENIED),
    ("search outside", "search_files", {"pattern": "canary", "path": ".."}, _SECRET, _TRAVERSAL),
    ("search secrets", "search_files", {"pattern": "canary"}, [("file", ".env", CANARY), ("file", "a.pem", CANARY)], {"status": 200}),
    ("search through a link", "search_files", {"pattern": "canary"}, _SECRET + [("link", "a.txt", "../secret.txt"), ("link", "b", "..")], {"status": 200}),
    ("search with an option", "search_files", {"pattern": "--pre=touch {root}/made"}, [("file", "a.txt", "a")], {"status": 200, "missing": ["made"]}),
    ("search with an endless expression", "search_files", {"pattern": "(a+)+$"}, [("file", "a.txt", "a" * 40 + "!")], {"status": [200, 504]}),
    ("folder outside", "create_directory", {"path": "../made"}, [], {**_TRAVERSAL, "missing": ["../made"]}),
    ("folder through a link", "create_directory", {"path": "link/made"}, [("link", "link", "..")], {**_TRAVERSAL, "missing": ["../made"]}),
    ("git folder", "create_directory", {"path": "a/.git/hooks"}, [], {**_DENIED, "missing": ["a/.git"]}),
]

WRITES = [
    ("write outside", {"path": "../secret.txt"}, _SECRET, {"status": 403, "untouched": ["../secret.txt"]}),
    ("write through a link", {"path": "link"}, _SECRET + [("link", "link", "../secret.txt")], {"status": 403, "untouched": ["../secret.txt"]}),
    ("write through a folder", {"path": "link/secret.txt"}, _SECRET + [("link", "link", "..")], {"status": 403, "untouched": ["../secret.txt"]}),
    ("write a hook", {"path": ".git/hooks/pre-commit"}, [("folder", ".git/hooks")], {"status": 403, "missing": [".git/hooks/pre-commit"]}),
    ("write git's folder in capitals", {"path": ".GIT/config"}, [], {"status": 403, "missing": [".GIT"]}),
    ("write git's folder, unseen letter", {"path": ".g\u200cit/config"}, [], {"status": 403}),
    ("write git's folder, short name", {"path": "GIT~1/config"}, [], {"status": 403}),
    ("write a pointer to a git folder", {"path": "a/.git"}, [], {"status": 403, "missing": ["a/.git"]}),
    ("write a secret", {"path": ".env"}, [("file", ".env", CANARY)], {"status": 403, "untouched": [".env"]}),
    ("write into a pipe", {"path": "pipe"}, [("fifo", "pipe")], {"status": 422}),
    ("write over a folder", {"path": "a"}, [("folder", "a")], {"status": 422}),
    ("write what is protected", {"path": "a.txt"}, [("file", "a.txt", "a"), ("mode", "a.txt", 0o444)], {"status": 403, "untouched": ["a.txt"]}),
]

# write_file needs somebody's approval; what must fail is refused before anybody is asked.
CASES += [(name, "write_file", {"content": "x", **arguments}, setup, holds) for name, arguments, setup, holds in WRITES]
