"""S2, in time: what a path leads to changes between the look and the act. Nothing outside is read or made, however often it is tried."""

import concurrent.futures
import os
import threading

import pytest

from path_cases import CANARY
from toolserver import ToolServer

TRIES = 600


@pytest.fixture(scope="module")
def tools():
    server = ToolServer(RATE_LIMIT_ENABLED="false")
    home = server.workspace
    server.workspace = home / "space"
    server.workspace.mkdir()
    server.environment["PROJECT_ROOT"] = str(server.workspace)
    outside = home / "outside"
    outside.mkdir()
    (outside / "notes.txt").write_text(CANARY)
    try:
        yield server.start()
    finally:
        server.stop()
        server.workspace = home
        server.stop()


class Swapping:
    """Has a name of the workspace lead inside and outside by turns, as fast as it goes; each turn is one rename."""

    def __init__(self, name, inside, outside):
        self.name, self.places = str(name), (inside, outside)
        self.done = threading.Event()
        self.turns = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.is_set():
            make = self.places[self.turns % 2]
            draft = f"{self.name}.draft"
            make(draft)
            os.rename(draft, self.name)
            self.turns += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def tried(tools, tool, arguments):
    with concurrent.futures.ThreadPoolExecutor(8) as pool, tools.client(tools.admin_key) as client:
        return list(pool.map(lambda number: client.post(f"/tools/{tool}/call", json=arguments(number)), range(TRIES)))


def link(target):
    return lambda path: os.symlink(target, path)


def file(text):
    def make(path):
        with open(path, "w") as made:
            made.write(text)

    return make


def counted(figure, answers, through, swapping):
    good, refused = sum(answer.status_code == 200 for answer in answers), sum(answer.status_code == 403 for answer in answers)
    figure("S2", cases=len(answers), through=len(through), note=f"{len(answers)} tries of a race: {good} led inside, {refused} refused, {swapping.turns} changes meanwhile")
    assert not through, through[:3]
    # A race that only ever had one outcome was none.
    assert good and refused, (good, refused, [answer.text for answer in answers[:3]])


def test_a_file_that_becomes_a_link_is_not_followed(tools, figure):
    outside = tools.workspace.parent / "outside" / "notes.txt"
    with Swapping(tools.workspace / "notes.txt", file("inside"), link(outside)) as swapping:
        while swapping.turns < 2:
            pass
        answers = tried(tools, "read_file", lambda _: {"path": "notes.txt"})
    counted(figure, answers, [answer.text for answer in answers if CANARY in answer.text], swapping)


def test_a_folder_that_becomes_a_link_is_not_followed(tools, figure):
    (tools.workspace / "real").mkdir()
    (tools.workspace / "real" / "notes.txt").write_text("inside")
    with Swapping(tools.workspace / "folder", link("real"), link("../outside")) as swapping:
        while swapping.turns < 2:
            pass
        answers = tried(tools, "read_file", lambda _: {"path": "folder/notes.txt"})
    counted(figure, answers, [answer.text for answer in answers if CANARY in answer.text], swapping)


def test_nothing_is_made_outside_while_a_folder_becomes_a_link(tools, figure):
    outside = tools.workspace.parent / "outside"
    (tools.workspace / "target").mkdir()
    with Swapping(tools.workspace / "place", link("target"), link("../outside")) as swapping:
        while swapping.turns < 2:
            pass
        answers = tried(tools, "create_directory", lambda number: {"path": f"place/made-{number}"})
    counted(figure, answers, sorted(path.name for path in outside.iterdir() if path.name != "notes.txt"), swapping)
