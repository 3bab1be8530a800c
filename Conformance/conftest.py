import pytest

from stack import Stack


@pytest.fixture(scope="session")
def stack():
    """The whole stack, ready, shared by every suite that leaves it as it found it."""
    running = Stack()
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
