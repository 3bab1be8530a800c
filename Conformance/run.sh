#!/usr/bin/env bash
# The black-box suites: real clients against stacks of their own, on ports and in folders of their own. Arguments, such as one file, go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

export MARU=${MARU:-$PWD/.build/debug/maru}
export MODELS_DIR=${MODELS_DIR:-$PWD/models}

# The engine is kept between runs, apart from the data of any stack.
home=$PWD/.build/conformance
mkdir -p "$home"
MARU_HOME=$home DATA_DIR=$home "$MARU" engine install
MARU_HOME=$home DATA_DIR=$home "$MARU" models pull --default
if [ -z "${LLAMA_SERVER:-}" ] && ! command -v llama-server >/dev/null; then
    export LLAMA_SERVER=$home/engine/bin/llama-server
fi

[ $# -gt 0 ] || set -- Conformance
exec .venv/bin/python -m pytest -p no:cacheprovider "$@"
