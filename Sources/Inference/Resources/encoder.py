"""Text encoders of BERT's kind out of GGUF files, computed by ONNX Runtime."""
import ctypes
import gc
import mmap
import platform
import struct
import sys

import gguf
import numpy
import onnx
import onnxruntime
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

NORMAL_TOKEN = 1  # gguf's token types


class ModelFile:
    """A GGUF file, mapped into memory. gguf's own reader takes twenty seconds for a vocabulary of 250,000.

    Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Maru has checked the file before.
    """

    SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    STRING, ARRAY = 8, 9

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        self.at = 8
        tensors, facts = self.scalar("Q"), self.scalar("Q")
        self.facts = {}
        for _ in range(facts):
            key = self.string()
            self.facts[key] = self.value(self.scalar("I"))
        described = []
        for _ in range(tensors):
            name = self.string()
            shape = [self.scalar("Q") for _ in range(self.scalar("I"))]
            described.append((name, shape, self.scalar("I"), self.scalar("Q")))
        alignment = self.facts.get("general.alignment", 32)
        start = -(-self.at // alignment) * alignment
        self.tensors = {name: (shape, kind, start + offset) for name, shape, kind, offset in described}

    def scalar(self, layout):
        (value,) = struct.unpack_from("<" + layout, self.bytes, self.at)
        self.at += struct.calcsize("<" + layout)
        return value

    def string(self):
        size = self.scalar("Q")
        self.at += size
        return str(self.bytes[self.at - size : self.at], "utf-8", "replace")

    def value(self, kind):
        if kind == self.STRING:
            return self.string()
        if kind != self.ARRAY:
            return self.scalar(self.SCALARS[kind])
        kind, count = self.scalar("I"), self.scalar("Q")
        if kind in (self.STRING, self.ARRAY):
            return [self.value(kind) for _ in range(count)]
        values = numpy.frombuffer(self.bytes, "<" + self.SCALARS[kind], count, self.at)
        self.at += values.nbytes
        return values

    def own(self, key):
        """A fact of the model's architecture."""
        return self.facts[f"{self.facts['general.architecture']}.{key}"]

    def rows(self, name):
        """A matrix as it lies in the file, a row of bytes for each row, and its type."""
        shape, kind, start = self.tensors[name]
        kind = gguf.GGMLQuantizationType(kind)
        values, size = gguf.GGML_QUANT_SIZES[kind]
        width = shape[0] // values * size
        count = int(numpy.prod(shape[1:], dtype=int))
        return numpy.frombuffer(self.bytes, numpy.uint8, count * width, start).reshape(count, width), kind

    def floats(self, name):
        """A matrix or vector as 32-bit numbers."""
        rows, kind = self.rows(name)
        values = gguf.quants.dequantize(rows, kind).astype(numpy.float32)
        return values if len(self.tensors[name][0]) > 1 else values[0]


class Tokens:
    """SentencePiece's tokenizer, as the model file describes it. What looks like a mark of the model in a text is text."""

    def __init__(self, file):
        facts = {key.removeprefix("tokenizer.ggml."): value for key, value in file.facts.items()}
        if facts["model"] != "t5":
            raise ValueError(f"the tokenizer is {facts['model']}; t5 (SentencePiece unigram) is known")
        self.first, self.last = facts["bos_token_id"], facts["eos_token_id"]
        scores, kinds = facts["scores"], facts["token_type"]
        model = sentencepiece_model_pb2.ModelProto()
        model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
        model.trainer_spec.unk_id, model.trainer_spec.pad_id = facts["unknown_token_id"], facts.get("padding_token_id", -1)
        # An unknown character stands in a text as one that vocabularies do not have, so that it is one unknown token when it is read again.
        model.trainer_spec.unk_surface = "\U000f0000"
        model.trainer_spec.bos_id, model.trainer_spec.eos_id = self.first, self.last
        model.normalizer_spec.precompiled_charsmap = bytes(facts.get("precompiled_charsmap", b""))
        model.normalizer_spec.add_dummy_prefix = facts.get("add_space_prefix", True)
        model.normalizer_spec.remove_extra_whitespaces = facts.get("remove_extra_whitespaces", True)
        # gguf numbers the kinds of tokens as SentencePiece does.
        for piece, score, kind in zip(facts["tokens"], scores.tolist(), kinds.tolist()):
            model.pieces.add(piece=piece, score=score, type=kind)
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())
        # How often each piece stands in texts of the kind that the vocabulary was made from.
        weights = numpy.where(kinds == NORMAL_TOKEN, numpy.exp(scores.astype(numpy.float64)), 0)
        self.frequencies = numpy.cumsum(weights / weights.sum())

    @property
    def count(self):
        return self.processor.get_piece_size()

    def of(self, text):
        return [self.first, *self.processor.encode(text), self.last]

    def text(self, tokens):
        return self.processor.decode(tokens)

    def samples(self, count, length):
        """Rows of tokens as frequent as they are in texts, in whatever language, the same each time: points spread evenly by the
        golden ratio."""
        points = numpy.arange(1, count * length + 1) * 0.6180339887498949 % 1
        places = numpy.searchsorted(self.frequencies, points).reshape(count, length)
        return [[self.first, *row.tolist(), self.last] for row in places]


class Graph:
    """The model's layers as an ONNX graph: from the sum of a text's embeddings to its vector.

    Architecture: Devlin et al., 2018, https://arxiv.org/abs/1810.04805 (layers are normalised after the sum).
    """

    # Weights and what they are multiplied with are bytes over one range each. A few channels of the latter reach far beyond all
    # others, so some of their range is moved into the weights: Xiao et al., 2022, https://arxiv.org/abs/2211.10438, equation 4.
    MOVED = 0.7
    MICROSOFT = "com.microsoft"

    def __init__(self, file, ranges=None, is_probe=False):
        """`ranges`: the greatest input of each channel of each matrix, for weights of bytes; none for 32-bit numbers.
        `is_probe`: give those ranges in place of the vector."""
        self.file, self.ranges = file, ranges
        self.weights, self.nodes, self.inputs, self.scaled = [], [], {}, {}
        width, epsilon = file.own("embedding_length"), file.own("attention.layer_norm_epsilon")
        rows = self.normalised("rows", "token_embd_norm", epsilon)
        for layer in range(file.own("block_count")):
            at = f"blk.{layer}."
            heads = [self.linear(rows, at + f"attn_{part}", [at + f"attn_{other}" for other in "qkv"]) for part in "qkv"]
            seen = self.node("MultiHeadAttention", heads, self.MICROSOFT, num_heads=file.own("attention.head_count"))
            rows = self.node("Add", [rows, self.linear(seen, at + "attn_output")])
            rows = self.normalised(rows, at + "attn_output_norm", epsilon)
            inner = self.node("Gelu", [self.linear(rows, at + "ffn_up")], self.MICROSOFT)
            rows = self.node("Add", [rows, self.linear(inner, at + "ffn_down")])
            rows = self.normalised(rows, at + "layer_output_norm", epsilon)
        # A text's vector is the mean of its tokens' (E5: https://arxiv.org/abs/2212.03533).
        mean = {"": self.node("ReduceMean", [rows], axes=[0, 1], keepdims=0)}
        outputs = {name: self.range(value) for name, value in self.inputs.items()} if is_probe else mean
        describe, number = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            self.nodes, "encoder", [describe("rows", number, [1, "tokens", width])],
            [describe(name, number, None) for name in outputs.values()], self.weights)
        domains = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(self.MICROSOFT, 1)]
        self.model = onnx.helper.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString()
        self.outputs = list(outputs)
        self.weights = self.nodes = None  # copied into the model

    def constant(self, values):
        name = f"constant{len(self.weights)}"
        self.weights.append(onnx.numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def node(self, operation, inputs, domain="", **attributes):
        name = f"value{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operation, inputs, [name], domain=domain, **attributes))
        return name

    def normalised(self, value, name, epsilon):
        scale, shift = (self.constant(self.file.floats(f"{name}.{part}")) for part in ("weight", "bias"))
        return self.node("LayerNormalization", [value, scale, shift], axis=-1, epsilon=epsilon)

    def range(self, value):
        return self.node("ReduceMax", [self.node("Abs", [value])], axes=[0, 1], keepdims=0)

    def linear(self, value, name, beside=()):
        """`beside`: the matrices that the same value is multiplied with."""
        self.inputs[name] = value
        matrix, bias = self.file.floats(name + ".weight").T, self.constant(self.file.floats(name + ".bias"))
        if self.ranges is None:
            return self.node("Add", [self.node("MatMul", [value, self.constant(matrix)]), bias])
        reach = numpy.max([numpy.abs(self.file.floats(other + ".weight")).max(0) for other in beside or [name]], axis=0)
        moved = self.ranges[name] ** self.MOVED / numpy.maximum(reach, 1e-6) ** (1 - self.MOVED)
        moved = numpy.maximum(moved, 1e-4).astype(numpy.float32)
        if value not in self.scaled:
            self.scaled[value] = self.node("Mul", [value, self.constant(1 / moved)])
        matrix = matrix * moved[:, None]
        scale = numpy.maximum(numpy.abs(matrix).max(0) / 127, 1e-12).astype(numpy.float32)
        parts = [numpy.rint(matrix / scale).astype(numpy.int8), scale, numpy.zeros(len(scale), numpy.int8)]
        return self.node("DynamicQuantizeMatMul", [self.scaled[value], *map(self.constant, parts), bias], self.MICROSOFT)


class Encoder:
    """Vectors of texts. Each text is computed by itself, so that its vector does not depend on what comes with it."""

    def __init__(self, path, threads, limit):
        file = ModelFile(path)
        if file.facts["general.architecture"] != "bert":
            raise ValueError(f"the architecture is {file.facts['general.architecture']}; bert is known")
        self.threads = threads
        self.tokens = Tokens(file)
        self.words, self.kind = file.rows("token_embd.weight")
        # Files of llama-quantize leave out a dimension of 1.
        kinds = file.floats("token_types.weight").reshape(-1, file.own("embedding_length"))
        self.places = file.floats("position_embd.weight") + kinds[0]
        self.limit = min(limit or len(self.places), len(self.places))
        ranges = None
        if multiplies_bytes():
            probe = Graph(file, is_probe=True)
            session, ranges = self.session(probe), {}
            for sample in self.tokens.samples(16, 64):
                for name, seen in zip(probe.outputs, session.run(None, {"rows": self.rows(sample)})):
                    ranges[name] = numpy.maximum(ranges.get(name, 0), seen)
            del probe, session
            give_back_memory()
        self.running = self.session(Graph(file, ranges))
        del file, ranges
        give_back_memory()
        self.vector([self.tokens.first, self.tokens.last])

    def session(self, graph):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        # Threads that spin while they wait starve whatever else runs on the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])

    def rows(self, tokens):
        return (gguf.quants.dequantize(self.words[tokens], self.kind).astype(numpy.float32) + self.places[: len(tokens)])[None]

    def vector(self, tokens):
        """A text's vector, of length 1."""
        (vector,) = self.running.run(None, {"rows": self.rows(tokens)})
        return vector / max(numpy.linalg.norm(vector), 1e-12)


def give_back_memory():
    """Making the graph takes several times what the model does. glibc keeps it; others give it back by themselves."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def multiplies_bytes():
    """Whether the processor has an instruction that multiplies bytes and sums them up."""
    if platform.machine() in ("arm64", "aarch64") and sys.platform == "darwin":
        return True  # every Apple silicon does
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            features = set(next((line for line in file if line.startswith(("flags", "Features"))), "").split())
    except OSError:
        return False
    return bool(features & {"avx512_vnni", "avx_vnni", "asimddp"})
