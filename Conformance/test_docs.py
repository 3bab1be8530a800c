"""What is written about the program is what the program does."""

import re
import shlex

import command_docs
from stack import ROOT


def fenced_lines():
    """Every line of a shell example in README and docs."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip():
                    yield page, line.split(" #")[0].strip()


def test_the_page_of_commands_is_what_the_program_says():
    written = (ROOT / "docs" / "commands.md").read_text()
    assert written == command_docs.page(), "write it anew: python Conformance/command_docs.py > docs/commands.md"


def test_every_command_in_the_docs_exists():
    known = {path[1:]: command for path, command, _ in command_docs.commands(command_docs.tree())}
    seen = 0
    for page, line in fenced_lines():
        words = shlex.split(line)
        if not words or words[0] not in ("./maru", "maru"):
            continue
        seen += 1
        path = tuple(words[1:3]) if tuple(words[1:3]) in known else tuple(words[1:2])
        assert path in known, f"{page.name}: {line}"
        options = {name for argument in known[path].get("arguments", []) for name in command_docs.spelled(argument).split(" <")[0].split(", ")}
        for word in words[1 + len(path) :]:
            if word.startswith("-"):
                assert word.split("=")[0] in options, f"{page.name}: {line}: {word}"
    assert seen > 5


def test_every_target_in_the_docs_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z0-9][a-z0-9 -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {name for names in targets for name in names.split()}
    for page, line in fenced_lines():
        words = shlex.split(line)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets, f"{page.name}: {line}"


def test_links_in_the_docs_lead_somewhere():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


