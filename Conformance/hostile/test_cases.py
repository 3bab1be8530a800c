"""Runs the cases of path_cases.py and git_cases.py against a tool server: each in a workspace made for it, through approvals where they are asked for."""

import os
import shutil
import subprocess

import pytest

import git_cases
import path_cases
from path_cases import CANARY
from toolserver import ToolServer

CASES = path_cases.CASES + git_cases.CASES


@pytest.fixture(scope="module")
def tools():
    # The cases are about what a call may reach; how often one may call has tests of its own.
    server = ToolServer(RATE_LIMIT_ENABLED="false")
    home = server.workspace
    server.workspace = home / "space"
    server.workspace.mkdir()
    server.environment["PROJECT_ROOT"] = str(server.workspace)
    try:
        yield server.start()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def prepared(root, setup, place):
    """Carries out the steps of a case and gives the texts that it wrote, by path."""
    written = {}
    for step, *rest in setup:
        rest = [place(item) if isinstance(item, str) else item for item in rest]
        path = os.path.join(root, rest[0]) if step != "git" else None
        if path and step != "folder":
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if step == "file":
            with open(path, "w") as file:
                file.write(rest[1])
            written[rest[0]] = rest[1]
        elif step == "folder":
            os.makedirs(path, exist_ok=True)
        elif step == "link":
            os.symlink(rest[1], path)
        elif step == "hardlink":
            os.link(os.path.join(root, rest[1]), path)
        elif step == "fifo":
            os.mkfifo(path)
        elif step == "mode":
            os.chmod(path, rest[1])
        elif step == "program":
            with open(path, "w") as file:
                file.write(f'#!/bin/sh\necho "$0" >> {place("{outside}")}/ran\ncat\n')
            os.chmod(path, 0o755)
        elif step == "git":
            identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "protocol.file.allow=always"]
            subprocess.run(["git", *identity, *rest], cwd=root, check=True, capture_output=True)
        else:
            raise AssertionError(f"no such step: {step}")
    return written


@pytest.mark.parametrize("name,tool,arguments,setup,holds", CASES, ids=[f"{case[1]}-{case[0]}" for case in CASES])
def test_nothing_out_of_reach_is_read_written_or_run(tools, figure, name, tool, arguments, setup, holds):
    figure("S2")
    root, outside = str(tools.workspace), str(tools.workspace.parent)
    for entry in os.listdir(outside):
        path = os.path.join(outside, entry)
        if path == root:
            for inner in os.listdir(root):
                inner = os.path.join(root, inner)
                shutil.rmtree(inner) if os.path.isdir(inner) and not os.path.islink(inner) else os.remove(inner)
        else:
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.remove(path)

    def place(text):
        return text.replace("{root}", root).replace("{outside}", outside)

    written = prepared(root, setup, place)
    given = {key: place(value) if isinstance(value, str) else value for key, value in arguments.items()}
    answer = tools.approved(tool, given, key=tools.admin_key)
    text = answer.text
    assert CANARY not in text
    assert not os.path.exists(os.path.join(outside, "ran")), "a program of the repository was run"
    expected = holds.get("status")
    if expected is not None:
        assert answer.status_code in (expected if isinstance(expected, list) else [expected]), text
    if answer.status_code >= 400:
        assert answer.json()["detail"], "a refusal says why"
    if "code" in holds:
        assert answer.json()["code"] == holds["code"], text
    if "phrase" in holds:
        assert holds["phrase"] in answer.json().get("detail", "") + str(answer.json().get("result", "")), text
    if "content" in holds:
        assert answer.json()["result"]["content"] == holds["content"]
    for path in holds.get("untouched", []):
        with open(os.path.join(root, place(path))) as file:
            assert file.read() == written[place(path)]
    for path in holds.get("missing", []):
        assert not os.path.lexists(os.path.join(root, place(path)))
