#!/usr/bin/env bash
# The Swift tests, those that run a real engine with a small model included. Arguments, such as --filter NAME, go to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."

swift build --build-tests
. Conformance/prepare.sh
export MARU_TEST_LLAMA_SERVER=$LLAMA_SERVER MARU_TEST_MODELS=$MODELS_DIR MARU_TEST_ENCODER=${EMBEDDING_ENGINE:-}
[ $# -eq 0 ] || exec swift test --skip-build "$@"

# Browsers, programs that take all they can get, and thousands of conversations have the machine to themselves: beside them others would
# run out of time.
greedy='WebToolTests|SandboxTests'
many='MemoryTests'
# Reading every source leaves no thread to anybody for some seconds.
house='HouseTests'
# All four hundred begun at once would have each wait half a minute for its turn, limits of time within it included.
swift test --skip-build --experimental-maximum-parallelization-width 8 --skip "$greedy|$many|$house"
swift test --skip-build --filter "$house"
swift test --skip-build --filter "$greedy"
swift test --skip-build --filter "$many"
