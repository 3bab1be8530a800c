"""What Maru's launchers of engines have in common. `maru engine install` puts this file beside them."""
import argparse
import os
import select
import signal
import sys
import time

USAGE, CANNOT_START = 64, 70  # sysexits.h


class Flags(argparse.ArgumentParser):
    """The flags of llama-server that Maru passes to every engine. All others are refused, rather than run with a setting ignored."""

    def __init__(self, program, description):
        super().__init__(prog=program, description=description, allow_abbrev=False)
        self.add_argument("--version", action="store_true", help="print the version")
        self.add_argument("--model", metavar="PATH", help="the GGUF file to serve")
        self.add_argument("--alias", metavar="NAME", help="the model's name in answers")
        self.add_argument("--host", metavar="H", default="127.0.0.1", help="address to listen on")
        self.add_argument("--port", metavar="N", type=int, default=8080)
        self.add_argument("--api-key-file", metavar="FILE", help="keys to accept, one a line")
        self.add_argument("--ctx-size", metavar="N", type=int, help="tokens of context, shared by all slots (0: the model's own)")
        self.add_argument("--parallel", metavar="N", type=int, help="slots, each with its share of the context")
        self.add_argument("--n-gpu-layers", metavar="N", type=int, help="layers to hold on the GPU")
        self.add_argument("--threads", metavar="N", type=int, help="threads that compute")
        self.add_argument("--batch-size", metavar="N", type=int, help="tokens per logical batch")
        self.add_argument("--ubatch-size", metavar="N", type=int, help="tokens per physical batch; bounds one text to embed")
        self.add_argument("--embeddings", action="store_true", help="serve embeddings and nothing else")
        self.add_argument("--pooling", choices=["none", "mean", "cls", "last", "rank"], help="how an embedding is pooled")

    def error(self, message):
        self.exit(USAGE, f"{self.prog}: {message}\n")

    def read(self, arguments):
        options = self.parse_args(arguments)
        if not options.version:
            if not options.model:
                self.error("--model is required")
            if not os.path.isfile(options.model):
                self.error(f"--model: no such file: {options.model}")
        return options


def keys(path):
    """The keys of a file, one a line."""
    with open(path, encoding="utf-8") as file:
        found = [line.strip() for line in file if line.strip()]
    if not found:
        raise ValueError(f"--api-key-file: no key in {path}")
    return found


def begin():
    """Ties this process to the one that started it. Maru drains requests before it sends SIGTERM, so that ends the process at
    once, in the middle of loading too."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    die_with_parent()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def cannot_start(program, error):
    print(f"{program}: cannot start: {error}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(CANNOT_START)


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
