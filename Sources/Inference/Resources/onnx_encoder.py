"""An engine for embedding models: runs a GGUF file of BERT's kind on the processor with ONNX Runtime.

It takes llama-server's flags and serves the routes of llama-server that embedding takes, so that Maru keeps it as it keeps
llama-server: /health, /tokenize, /detokenize, /v1/embeddings. On processors that multiply bytes in one instruction (VNNI, or Arm's
dot product) the weights are bytes, elsewhere 32-bit numbers. `maru engine install` puts this file at
DATA_DIR/engine/encoder/bin/onnx-encoder, below a shebang that names its venv.
"""
import base64
import hmac
import http.server
import importlib.metadata
import json
import os
import socket
import sys
import threading
import time

from engine_process import Flags, begin, cannot_start, keys

NAME = "onnx-encoder"
MOST_BYTES = 16 << 20  # of a request's body: a million characters, as JSON may write them


def parse(arguments):
    flags = Flags(NAME, "Embeds texts with a GGUF model of BERT's kind, by ONNX Runtime.")
    options = flags.read(arguments)
    if not options.version:
        if not options.embeddings:
            flags.error("--embeddings is required: it does nothing else")
        if options.n_gpu_layers:
            flags.error("--n-gpu-layers: it computes on the processor")
        if options.parallel not in (None, 1):
            flags.error("--parallel: it computes one text at a time")
        if options.pooling != "mean":
            flags.error("--pooling: it takes the mean")
    return options


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    timeout = 600  # seconds a connection may stall

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"status": "ok"})
        self.fail(404, f"there is no {self.path}")

    def do_POST(self):
        work = {"/tokenize": self.tokenize, "/detokenize": self.detokenize, "/v1/embeddings": self.embeddings}.get(self.path)
        size = self.headers.get("Content-Length", "")
        is_size = size.isascii() and size.isdigit()
        refusal = (
            (401, "the key is wrong") if not self.is_allowed()
            else (404, f"there is no {self.path}") if work is None
            else (411, "Content-Length is needed") if not is_size
            else (413, f"a body has {MOST_BYTES} bytes at the most") if int(size) > MOST_BYTES
            else None)
        if refusal:
            return self.refuse(*refusal)
        try:
            answer = work(json.loads(self.rfile.read(int(size))))
        except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
            return self.fail(400, f"{type(error).__name__}: {error}")
        except Exception as error:  # ONNX Runtime's own, of no class that it names
            return self.fail(500, f"{type(error).__name__}: {error}")
        self.answer(200, answer)

    def is_allowed(self):
        given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode()
        return not self.server.keys or any(hmac.compare_digest(given, key) for key in self.server.keys)

    def tokenize(self, body):
        tokens = self.server.encoder.tokens.of(body["content"])
        return {"tokens": tokens if body.get("add_special") else tokens[1:-1]}

    def detokenize(self, body):
        tokens = self.server.encoder.tokens
        if not all(0 <= token < tokens.count for token in body["tokens"]):
            raise ValueError(f"tokens are from 0 to {tokens.count - 1}")
        return {"content": tokens.text(body["tokens"])}

    def embeddings(self, body):
        encoder = self.server.encoder
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("input is a text or a list of texts")
        rows = [encoder.tokens.of(text) for text in texts]
        for place, row in enumerate(rows):
            if len(row) > encoder.limit:
                raise ValueError(f"text {place} has {len(row)} tokens; {encoder.limit} are read")
        with self.server.lock:  # one computes at a time, with all threads that were given
            vectors = [encoder.vector(row) for row in rows]
        if body.get("encoding_format") == "base64":
            vectors = [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]
        else:
            vectors = [vector.tolist() for vector in vectors]
        count = sum(map(len, rows))
        data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
        return {
            "object": "list", "model": self.server.alias, "data": data, "usage": {"prompt_tokens": count, "total_tokens": count}}

    def refuse(self, status, message):
        """Answers before the body is read, and ends the connection. A client that is not told would send its next request into the
        end; closed with bytes unread, the connection would be reset and the answer lost with it (RFC 9112, 9.6). So what comes is
        dropped for a while."""
        self.close_connection = True
        self.fail(status, message)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1)
        end = time.monotonic() + 5
        while time.monotonic() < end and self.rfile.read1(1 << 16):
            pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def fail(self, status, message):
        self.answer(status, {"error": {"code": status, "message": message, "type": "invalid_request_error"}})

    def log_message(self, *_):
        pass  # Maru tells of requests


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options):
        self.keys = [key.encode() for key in keys(options.api_key_file)] if options.api_key_file else []
        self.alias, self.lock = options.alias or os.path.basename(options.model), threading.Lock()
        from encoder import Encoder  # takes a second: not for --help

        self.encoder = Encoder(options.model, options.threads or 1, options.ubatch_size or options.ctx_size)
        super().__init__((options.host, options.port), Handler)

    def handle_error(self, request, client_address):
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):  # a client that left
            print(f"{NAME}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def main():
    options = parse(sys.argv[1:])
    if options.version:
        print(f"onnxruntime {importlib.metadata.version('onnxruntime')}", file=sys.stderr)
        return
    begin()
    try:
        server = Server(options)
    except Exception as error:
        cannot_start(NAME, f"{type(error).__name__}: {error} (llama-server may know the model: EMBEDDING_ENGINE=llama-server)")
    print(f"{NAME}: ready at {options.host}:{options.port}", file=sys.stderr, flush=True)
    server.serve_forever()


main()
