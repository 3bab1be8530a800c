"""The figures S1 to S11: what attackers try, how often it was tried, and what got through. One table at the end of a run tells them."""

import dataclasses
import pathlib


@dataclasses.dataclass
class Figure:
    what: str
    # Fewer cases than this show nothing.
    least: int
    cases: int = 0
    through: int = 0
    notes: list = dataclasses.field(default_factory=list)


FIGURES = {
    "S1": Figure("Origin and Host, every port", 240),
    "S2": Figure("paths and git: what lies outside is read, written or run", 300),
    "S3": Figure("tenants: what is one user's is shown to another", 20_000),
    "S4": Figure("approvals: replayed, swapped, forged, raced, outlived", 300),
    "S5": Figure("audit log: a record changed, removed, moved or cut off unnoticed", 100),
    "S6": Figure("routes that answer without a key, the public ones aside", 100),
    "S7": Figure("role × tool and role × route, against rbac_matrix.json", 200),
    "S8": Figure("sandbox: escapes", 30),
    "S9": Figure("rate limits: calls let through past the limit or refused below it", 300),
    "S10": Figure("secrets found where they must not be", 50),
    "S11": Figure("web addresses: requests into private networks", 30),
}
# Figures of parts that are not here: what the table says of them instead.
ELSEWHERE = {}


def count(name, cases, through, note=None):
    figure = FIGURES[name]
    figure.cases += cases
    figure.through += through
    if note and note not in figure.notes:
        figure.notes.append(note)


def verdict(figure):
    if figure.cases == 0:
        return "missing"
    if figure.through:
        return "FAILED"
    return "met" if figure.cases >= figure.least else f"too few, {figure.least} at least"


def failed(name):
    """Whether a figure fails a run of the whole suite."""
    return verdict(FIGURES[name]) != "met"


def table():
    rows = [(name, figure.what, str(figure.cases), str(figure.through), verdict(figure), figure.notes) for name, figure in FIGURES.items()]
    rows += [(name, what, "-", "-", where, []) for name, (what, where) in ELSEWHERE.items()]
    rows.sort(key=lambda row: int(row[0][1:]))
    yield f"{'':4} {'figure':74} {'cases':>7} {'through':>8}  verdict"
    for name, what, cases, through, word, notes in rows:
        yield f"{name:4} {what:74} {cases:>7} {through:>8}  {word}"
        for note in notes:
            yield f"{'':6}{note}"


def is_whole(items, deselected):
    """Whether a run holds every file of the suite, so that a figure without cases is one that nobody measures."""
    here = pathlib.Path(__file__).parent
    ran = {pathlib.Path(item.path) for item in items}
    return not deselected and set(here.glob("test_*.py")) <= ran
