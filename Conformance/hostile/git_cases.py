"""Arguments and repositories that git tools must not be led by; the form is that of path_cases.py.

Steps of setup besides: ("git", argument, …) runs git as a user would, in the workspace; ("program", path) writes an executable that appends
its name to {outside}/ran. After every case {outside}/ran must not exist.
"""

from path_cases import CANARY

_REPOSITORY = [("git", "init", "-q", "-b", "main"), ("file", "a.txt", "one\n"), ("git", "add", "a.txt"), ("git", "commit", "-qm", "first")]
_CHANGED = _REPOSITORY + [("file", "a.txt", "two\n")]
_EVIL = [("program", "../evil")]


def _hostile(name, tool, key, value="{outside}/evil", arguments=None, more=(), holds=None):
    setup = _EVIL + _REPOSITORY + list(more) + [("git", "config", key, value), ("file", "a.txt", "two\n")]
    return (name, tool, arguments or {}, setup, holds or {"status": 200})


_X = [("file", ".gitattributes", "*.txt filter=x diff=x\n")]

CASES = [
    ("diff, option as file", "git_diff", {"file_path": "--output={outside}/made"}, _CHANGED, {"status": [200, 403], "missing": ["../made"]}),
    ("diff, option inside", "git_diff", {"file_path": "--output=made"}, _CHANGED, {"status": [200, 403], "missing": ["made"]}),
    ("diff, no index", "git_diff", {"file_path": "--no-index"}, _CHANGED, {"status": [200, 403]}),
    ("diff, order file", "git_diff", {"file_path": "-O/etc/passwd"}, _CHANGED, {"status": [200, 403]}),
    ("diff, external", "git_diff", {"file_path": "--ext-diff"}, _CHANGED, {"status": [200, 403]}),
    ("diff outside", "git_diff", {"file_path": "../secret.txt"}, _CHANGED + [("file", "../secret.txt", CANARY)], {"status": 403}),
    ("diff of the system", "git_diff", {"file_path": "/etc/passwd"}, _CHANGED, {"status": 403}),
    ("diff, pathspec magic", "git_diff", {"file_path": ":(top)a.txt"}, _CHANGED, {"status": 200, "phrase": "no changes"}),
    ("diff of a secret", "git_diff", {"file_path": ".env"}, _CHANGED + [("file", ".env", CANARY), ("git", "add", "-f", ".env")], {"status": 403}),
    ("diff of all, a secret staged", "git_diff", {"staged": True}, _REPOSITORY + [("file", ".env", CANARY), ("git", "add", "-f", ".env")], {"status": 200}),
    ("status outside", "git_status", {"path": ".."}, _REPOSITORY, {"status": 403}),
    ("status, option as path", "git_status", {"path": "--help"}, _REPOSITORY, {"status": 404}),
    ("status, working folder of the system", "git_status", {"working_dir": "/etc"}, _REPOSITORY, {"status": 403}),
    ("log, working folder outside", "git_log", {"working_dir": ".."}, _REPOSITORY, {"status": 403}),
    ("log, no repository", "git_log", {}, [], {"status": 422, "code": "not_a_repository"}),
    ("log, count as text", "git_log", {"max_count": "--all"}, _REPOSITORY, {"status": 422}),
    ("add, option", "git_add", {"file_paths": "--force"}, _CHANGED, {"status": 404}),
    ("add, chmod", "git_add", {"file_paths": "--chmod=+x a.txt"}, _CHANGED, {"status": 404}),
    ("add, file of names", "git_add", {"file_paths": "--pathspec-from-file=/etc/passwd"}, _CHANGED, {"status": 404}),
    ("add outside", "git_add", {"file_paths": "../secret.txt"}, _REPOSITORY + [("file", "../secret.txt", CANARY)], {"status": 403}),
    ("add of the system", "git_add", {"file_paths": "/etc/passwd"}, _REPOSITORY, {"status": 403}),
    ("add a secret", "git_add", {"file_paths": "a.txt .env"}, _CHANGED + [("file", ".env", CANARY)], {"status": 403, "code": "path_denied"}),
    ("add a quoted secret", "git_add", {"file_paths": "'.e'\"nv\""}, _CHANGED + [("file", ".env", CANARY)], {"status": 403}),
    ("add all, a secret there", "git_add", {"file_paths": "."}, _CHANGED + [("file", ".env", CANARY)], {"status": 200, "phrase": "Not staged"}),
    ("add, name with a space", "git_add", {"file_paths": "\"b c.txt\""}, _REPOSITORY + [("file", "b c.txt", "b")], {"status": 200}),
    ("add, name like an option", "git_add", {"file_paths": "-n"}, _REPOSITORY + [("file", "-n", "b")], {"status": 200}),
    ("add, open quote", "git_add", {"file_paths": "\"a.txt"}, _CHANGED, {"status": 422}),
    ("add, shell", "git_add", {"file_paths": "a.txt; touch {outside}/ran"}, _CHANGED, {"status": [403, 404]}),
    ("add, substitution", "git_add", {"file_paths": "$(touch${IFS}{outside}/ran)"}, _CHANGED, {"status": [403, 404]}),
    ("add git's own", "git_add", {"file_paths": ".git/config"}, _REPOSITORY, {"status": 403}),
    _hostile("monitor", "git_status", "core.fsmonitor"),
    _hostile("pager", "git_log", "core.pager"),
    _hostile("pager of log", "git_log", "pager.log"),
    _hostile("alias", "git_status", "alias.status", "!{outside}/evil"),
    _hostile("external diff", "git_diff", "diff.external"),
    _hostile("diff driver", "git_diff", "diff.x.command", more=_X),
    _hostile("textconv", "git_diff", "diff.x.textconv", more=_X),
    _hostile("clean filter at status", "git_status", "filter.x.clean", more=_X),
    _hostile("process filter at diff", "git_diff", "filter.x.process", more=_X),
    _hostile("clean filter at add", "git_add", "filter.x.clean", arguments={"file_paths": "a.txt"}, more=_X, holds={"status": 422, "code": "needs_filter"}),
    _hostile("filter with = in its name", "git_status", "filter.a=b.c.clean", more=[("file", ".gitattributes", "*.txt filter=a=b.c\n")]),
    _hostile("signatures in the log", "git_log", "gpg.program", more=[("git", "config", "log.showSignature", "true")]),
    _hostile("hooks elsewhere", "git_add", "core.hooksPath", "{outside}", arguments={"file_paths": "a.txt"}, more=[("program", "../post-index-change")]),
    _hostile("other configuration", "git_log", "include.path", "{outside}/more", more=[("file", "../more", "[x]\ny = z\n")], holds={"status": 403}),
    _hostile("other configuration, if", "git_log", "includeIf.gitdir:/**.path", "{outside}/more", more=[("file", "../more", "[x]\ny = z\n")], holds={"status": 403}),
    _hostile("other work tree", "git_status", "core.worktree", "{outside}", holds={"status": 403}),
    _hostile("command of a transport", "git_log", "core.sshCommand"),
    ("git folder elsewhere", "git_log", {"working_dir": "sub"}, [("git", "init", "-q", "../other"), ("file", "sub/.git", "gitdir: {outside}/other/.git\n")], {"status": 403, "code": "path_outside_workspace"}),
    ("git folder is a link", "git_log", {"working_dir": "sub"}, [("git", "init", "-q", "../other"), ("folder", "sub"), ("link", "sub/.git", "../../other/.git")], {"status": 403, "code": "path_outside_workspace"}),
    ("objects elsewhere", "git_log", {}, _REPOSITORY + [("git", "init", "-q", "../other"), ("file", ".git/objects/info/alternates", "{outside}/other/.git/objects\n")], {"status": 403, "code": "path_outside_workspace"}),
    ("link in the git folder", "git_status", {}, _REPOSITORY + [("file", "../rc", "x"), ("link", ".git/COMMIT_LINK", "../../rc")], {"status": 403, "code": "path_outside_workspace"}),
    ("bare repository in disguise", "git_status", {"path": "sub"}, _REPOSITORY + _EVIL + [("file", "sub/HEAD", "ref: refs/heads/main\n"), ("folder", "sub/objects"), ("folder", "sub/refs"), ("file", "sub/config", "[core]\nfsmonitor = {outside}/evil\nbare = false\nworktree = .\n")], {"status": 200}),
]
