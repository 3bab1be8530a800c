#!/usr/bin/env bash
# The black-box suites: real clients against stacks of their own, on ports and in folders of their own. Arguments, such as one file, go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. Conformance/prepare.sh

[ $# -gt 0 ] || set -- Conformance
exec .venv/bin/python -m pytest -p no:cacheprovider "$@"
