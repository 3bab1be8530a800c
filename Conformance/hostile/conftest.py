import pytest

import figures


@pytest.fixture
def figure(request):
    """Counts cases for a figure: `figure("S2")` for a test that is one case, with `cases` and `through` for one that tries many.

    A test that fails has let something through, whatever it counted.
    """
    counted = request.node.stash.setdefault(COUNTED, [])

    def count(name, cases=1, through=0, note=None):
        assert name in figures.FIGURES, f"there is no figure {name}"
        counted.append((name, cases, through, note))

    return count


COUNTED = pytest.StashKey()
WHOLE = pytest.StashKey()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and not report.skipped:
        for name, cases, through, note in item.stash.get(COUNTED, []):
            figures.count(name, cases, through if report.passed else max(1, through), note)
    return report


def pytest_deselected(items):
    for item in items:
        item.config.stash[WHOLE] = False


def pytest_sessionfinish(session):
    config = session.config
    is_whole = figures.is_whole(session.items, deselected=not config.stash.get(WHOLE, True)) and not config.option.collectonly
    config.stash[WHOLE] = is_whole
    if is_whole and session.exitstatus == pytest.ExitCode.OK and any(figures.failed(name) for name in figures.FIGURES):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config):
    if not any(figure.cases for figure in figures.FIGURES.values()):
        return
    terminalreporter.section("figures S1 to S11" if config.stash.get(WHOLE, False) else "figures S1 to S11, a part of the suite")
    for line in figures.table():
        terminalreporter.write_line(line)
