# What every suite that runs a model needs: the engine and small models, fetched once, kept apart from the data of any stack. To be sourced.
# shellcheck shell=bash
export MARU=${MARU:-$PWD/.build/debug/maru}
export MODELS_DIR=${MODELS_DIR:-$PWD/models}

home=$PWD/.build/conformance
mkdir -p "$home"
MARU_HOME=$home DATA_DIR=$home "$MARU" engine install
MARU_HOME=$home DATA_DIR=$home "$MARU" models pull --default
MARU_HOME=$home DATA_DIR=$home "$MARU" models pull smollm2-135m
if [ -z "${LLAMA_SERVER:-}" ]; then
    LLAMA_SERVER=$(command -v llama-server || echo "$home/engine/bin/llama-server")
fi
export LLAMA_SERVER
encoder=$home/engine/encoder/bin/onnx-encoder
if [ -z "${EMBEDDING_ENGINE:-}" ] && [ -x "$encoder" ]; then
    export EMBEDDING_ENGINE=$encoder
fi
