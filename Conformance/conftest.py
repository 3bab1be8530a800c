import os
import shutil
import subprocess

import pytest

from disk import SmallDisk
from stack import Stack
from toolserver import ToolServer


@pytest.fixture(scope="session")
def stack():
    """The whole stack, ready, shared by every suite that leaves it as it found it."""
    running = Stack()
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture(scope="module")
def guarded():
    """A tool server that trusts keys alone."""
    running = ToolServer(SECURITY_MODE="production")
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def own_stack():
    """Makes stacks that a test may break."""
    made = []

    def make(**settings):
        made.append(Stack(**settings))
        return made[-1]

    yield make
    for running in made:
        running.stop()


@pytest.fixture
def small_disk(own_stack):
    """Puts the data folders of stacks on disks that a test may fill."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system needs root")
    made = []

    def mount(stack):
        try:
            disk = SmallDisk(stack.data)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine lets nothing be mounted: {error.stderr.decode().strip()}")
        made.append((stack, disk))
        return disk

    yield mount
    for stack, disk in made:
        # What runs is recorded on the disk, so it is stopped while that is there.
        stack.run("down", timeout=120, check=False)
        disk.unmount()
