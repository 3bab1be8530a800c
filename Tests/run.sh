#!/usr/bin/env bash
# The Swift tests, those that run a real engine with a small model included. Arguments, such as --filter NAME, go to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --build-tests
. Conformance/prepare.sh
MARU_TEST_LLAMA_SERVER=$LLAMA_SERVER MARU_TEST_MODELS=$MODELS_DIR exec swift test --skip-build "$@"
