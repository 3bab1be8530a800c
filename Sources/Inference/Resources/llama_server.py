"""llama-server out of the xllamacpp wheel: llama.cpp's own server, started with llama-server's own flags.

`maru engine install` puts this file at DATA_DIR/engine/bin/llama-server, below a shebang that names the engine's venv, so that
Maru starts a managed engine exactly as it starts one from Homebrew or a build of the user's. It knows the flags Maru passes
and refuses all others, rather than run with a setting ignored. GET /health answers 503 while the model loads.
"""
import argparse
import importlib.metadata
import os
import select
import signal
import sys
import time

USAGE, CANNOT_START = 64, 70  # sysexits.h


class Flags(argparse.ArgumentParser):
    def error(self, message):
        self.exit(USAGE, f"llama-server: {message}\n")


def parse(arguments):
    flags = Flags(prog="llama-server", description="llama.cpp's server, from the xllamacpp wheel.", allow_abbrev=False)
    flags.add_argument("--version", action="store_true", help="print the build number")
    flags.add_argument("--model", metavar="PATH", help="the GGUF file to serve")
    flags.add_argument("--alias", metavar="NAME", help="the model's name in answers")
    flags.add_argument("--host", metavar="H", default="127.0.0.1", help="address, or path of a unix socket that ends in .sock")
    flags.add_argument("--port", metavar="N", type=int, default=8080)
    flags.add_argument("--api-key-file", metavar="FILE", help="keys to accept, one a line")
    flags.add_argument("--ctx-size", metavar="N", type=int, help="tokens of context, shared by all slots (0: the model's own)")
    flags.add_argument("--parallel", metavar="N", type=int, help="slots, each with its share of the context")
    flags.add_argument("--n-gpu-layers", metavar="N", type=int, help="layers to hold on the GPU")
    flags.add_argument("--threads", metavar="N", type=int, help="threads that compute")
    flags.add_argument("--threads-http", metavar="N", type=int, help="threads that serve requests")
    flags.add_argument("--batch-size", metavar="N", type=int, help="tokens per logical batch")
    flags.add_argument("--ubatch-size", metavar="N", type=int, help="tokens per physical batch; bounds one text to embed")
    flags.add_argument("--embeddings", action="store_true", help="serve embeddings and nothing else")
    flags.add_argument("--pooling", choices=["none", "mean", "cls", "last", "rank"], help="how an embedding is pooled")
    flags.add_argument("--rerank", action="store_true", help="serve reranking")
    flags.add_argument("--metrics", action="store_true", help="serve /metrics")
    flags.add_argument("--no-slots", action="store_true", help="do not serve /slots, which shows prompts")
    flags.add_argument("--no-ui", action="store_true", help="do not serve the web page")
    flags.add_argument("--cache-ram", metavar="MIB", type=int, help="prompt cache in memory (0: none)")
    flags.add_argument("--jinja", action="store_true", help="use the model's own chat template (always on)")
    flags.add_argument("--timeout", metavar="S", type=int, help="seconds a connection may stall")
    options = flags.parse_args(arguments)
    if not options.version:
        if not options.model:
            flags.error("--model is required")
        if not os.path.isfile(options.model):
            flags.error(f"--model: no such file: {options.model}")
    return options


def die_with_parent():
    """An engine that outlived Maru would keep its memory, so a small process of its own watches over both. It cannot be a
    thread, which would wait for the interpreter lock while a model loads; nor PR_SET_PDEATHSIG, which fires when the *thread*
    that spawned us ends, and the parent's thread pools retire theirs."""
    parent, engine = os.getppid(), os.getpid()
    if parent == 1 or os.fork():  # the end of process 1 ends everything
        return
    os.closerange(0, 3)  # whoever reads our output must see its end when the engine ends
    try:
        ends = select.poll()
        for process in (parent, engine):
            ends.register(os.pidfd_open(process), select.POLLIN)
        ends.poll()
    except AttributeError:  # not Linux
        while os.getppid() == engine and is_alive(parent):
            time.sleep(1)
    except ProcessLookupError:
        pass  # one of them was faster than us
    if os.getppid() == engine:
        os.kill(engine, signal.SIGKILL)
    os._exit(0)


def is_alive(process):
    try:
        os.kill(process, 0)
        return True
    except OSError:
        return False


def parameters(xllamacpp, options):
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.hostnames = [options.host]
    params.port = options.port
    if options.alias is not None:
        params.model_alias = {options.alias}
    if options.api_key_file is not None:
        with open(options.api_key_file, encoding="utf-8") as file:
            params.api_keys = [line.strip() for line in file if line.strip()]
        if not params.api_keys:
            raise ValueError(f"--api-key-file: no key in {options.api_key_file}")
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
    # Maru drains requests before it sends SIGTERM, so both signals end the process at once, in the middle of loading too.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Threads that spin while they wait starve one another as soon as cores are shared. Read once, when OpenMP is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xllamacpp
    try:
        server = xllamacpp.Server(parameters(xllamacpp, options))
    except Exception as error:
        print(f"llama-server: cannot start: {error}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(CANNOT_START)
    print(f"llama-server: ready at {server.listening_address}", file=sys.stderr, flush=True)
    while True:
        signal.pause()


main()
