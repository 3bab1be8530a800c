#!/usr/bin/env bash
# The black-box suites: real clients against a stack of their own, on ports and in folders of their own. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

exec .venv/bin/python -m pytest Conformance -p no:cacheprovider "$@"
