"""The routes of the services as docs/api.md has them, which tests of the services hold to be all there are."""

import re

from stack import ROOT

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


def routes():
    """(service, method, path, who) of every route; the tool server's administration is a service of its own here."""
    service = None
    for line in (ROOT / "docs" / "api.md").read_text().splitlines():
        if heading := re.match(r"## ([a-z-]+)$", line):
            service = heading.group(1)
        elif line.startswith("Its administration, on port 8021"):
            service = "administration"
        elif route := re.match(r"\| `([A-Z]+) (/[^`]*)` \| (\w+) \|", line):
            yield service, *route.groups()


def of(services):
    found = [route for route in routes() if route[0] in services]
    missing = set(services) - {route[0] for route in found}
    assert not missing, f"docs/api.md has no routes of {missing}"
    return found
