"""llama-server out of the xllamacpp wheel: llama.cpp's own server, started with llama-server's own flags.

`maru engine install` puts this file at DATA_DIR/engine/bin/llama-server, below a shebang that names the engine's venv, so that
Maru starts a managed engine exactly as it starts one from Homebrew or a build of the user's. GET /health answers 503 while the
model loads.
"""
import importlib.metadata
import os
import signal
import sys

from engine_process import Flags, begin, cannot_start, keys


def parse(arguments):
    flags = Flags("llama-server", "llama.cpp's server, from the xllamacpp wheel.")
    flags.add_argument("--threads-http", metavar="N", type=int, help="threads that serve requests")
    flags.add_argument("--rerank", action="store_true", help="serve reranking")
    flags.add_argument("--metrics", action="store_true", help="serve /metrics")
    flags.add_argument("--no-slots", action="store_true", help="do not serve /slots, which shows prompts")
    flags.add_argument("--no-ui", action="store_true", help="do not serve the web page")
    flags.add_argument("--cache-ram", metavar="MIB", type=int, help="prompt cache in memory (0: none)")
    flags.add_argument("--jinja", action="store_true", help="use the model's own chat template (always on)")
    flags.add_argument("--timeout", metavar="S", type=int, help="seconds a connection may stall")
    return flags.read(arguments)


def parameters(xllamacpp, options):
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.hostnames = [options.host]
    params.port = options.port
    if options.alias is not None:
        params.model_alias = {options.alias}
    if options.api_key_file is not None:
        params.api_keys = keys(options.api_key_file)
    for name, value in (
        ("n_ctx", options.ctx_size), ("n_parallel", options.parallel), ("n_gpu_layers", options.n_gpu_layers),
        ("n_threads_http", options.threads_http), ("n_batch", options.batch_size), ("n_ubatch", options.ubatch_size),
        ("cache_ram_mib", options.cache_ram), ("timeout_read", options.timeout), ("timeout_write", options.timeout),
    ):
        if value is not None:
            setattr(params, name, value)
    if options.threads is not None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    pooling = "rank" if options.rerank else options.pooling
    if pooling is not None:
        params.pooling_type = xllamacpp.llama_pooling_type[f"LLAMA_POOLING_TYPE_{pooling.upper()}"]
    params.embedding = options.embeddings or options.rerank
    params.endpoint_metrics = options.metrics
    params.endpoint_slots = not options.no_slots
    params.ui = not options.no_ui
    params.verbosity = 2  # warnings and errors: it else tells of each request, a piece at a time, and Maru wakes up to read it
    params.fit_params = False  # loads the model twice to measure it; Maru has planned the memory already
    # llama-server lets every web page call it, with credentials; Maru's gateway decides who may.
    params.cors_origins, params.cors_credentials = "", False
    return params


def main():
    options = parse(sys.argv[1:])
    package = importlib.metadata.version("xllamacpp")  # 2026.10.11549 carries llama.cpp b11549
    if options.version:
        print(f"version: {package.rsplit('.', 1)[-1]} (xllamacpp {package})", file=sys.stderr)
        return
    begin()
    # Threads that spin while they wait starve one another as soon as cores are shared. Read once, when OpenMP is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp
    try:
        server = xllamacpp.Server(parameters(xllamacpp, options))
    except Exception as error:
        cannot_start("llama-server", error)
    print(f"llama-server: ready at {server.listening_address}", file=sys.stderr, flush=True)
    while True:
        signal.pause()


main()
