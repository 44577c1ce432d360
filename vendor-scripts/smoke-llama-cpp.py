"""Proves an installed llama-cpp-python: `PYTHON smoke-llama-cpp.py`, with the interpreter that has it.

Writes a tiny quantised model, loads it and decodes a prompt and one more token. Succeeds within a second or so. A build
whose kernels don't fit this CPU dies of a signal here, and not in the first trial of a run. Imports llama_cpp and the
standard library only.
"""

import ctypes
import faulthandler
import math
import struct
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LIMIT_S = 300
"""After this long it hangs; it then says where, and fails."""

HIDDEN, FEED_FORWARD, VOCABULARY, HEADS = 256, 512, 64, 4
PROMPT = 8

SCALE = struct.pack("<e", 0.001)
F32 = 0, 1, struct.pack("<f", 1.0)
Q8_0 = 8, 32, SCALE + bytes(range(32))
Q4_0 = 2, 32, SCALE + bytes(range(0, 256, 16))
Q4_K = 12, 256, SCALE + SCALE + bytes(range(140))
"""Tensor types of GGUF: code, weights in a block, and the block that is repeated all over the tensor."""

TENSORS = {
    "token_embd": (Q8_0, (HIDDEN, VOCABULARY)),
    "output_norm": (F32, (HIDDEN,)),
    "output": (Q4_K, (HIDDEN, VOCABULARY)),
    "blk.0.attn_norm": (F32, (HIDDEN,)),
    "blk.0.attn_q": (Q4_0, (HIDDEN, HIDDEN)),
    "blk.0.attn_k": (Q4_0, (HIDDEN, HIDDEN)),
    "blk.0.attn_v": (Q8_0, (HIDDEN, HIDDEN)),
    "blk.0.attn_output": (Q4_0, (HIDDEN, HIDDEN)),
    "blk.0.ffn_norm": (F32, (HIDDEN,)),
    "blk.0.ffn_gate": (Q8_0, (HIDDEN, FEED_FORWARD)),
    "blk.0.ffn_up": (Q4_K, (HIDDEN, FEED_FORWARD)),
    "blk.0.ffn_down": (Q4_K, (FEED_FORWARD, HIDDEN)),
}
METADATA = {
    "general.architecture": "llama",
    "tokenizer.ggml.model": "none",
    "llama.vocab_size": VOCABULARY,
    "llama.context_length": 64,
    "llama.embedding_length": HIDDEN,
    "llama.block_count": 1,
    "llama.feed_forward_length": FEED_FORWARD,
    "llama.attention.head_count": HEADS,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
}
KINDS = {int: (4, "<I"), float: (6, "<f")}
"""Types of metadata values in GGUF: code and form."""


def main() -> None:
    faulthandler.dump_traceback_later(LIMIT_S, exit=True)
    import llama_cpp

    llama_cpp.llama_backend_init()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        path.write_bytes(b"".join(tiny_model()))
        decode(llama_cpp, path, gpu_layers=0)
        if llama_cpp.llama_supports_gpu_offload():
            decode(llama_cpp, path, gpu_layers=99)


def decode(llama: Any, path: Path, gpu_layers: int) -> None:
    """Loads the model, and decodes a prompt in one batch and then a single token: each has kernels of its own."""
    params = llama.llama_model_default_params()
    params.n_gpu_layers = gpu_layers
    model = llama.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        sys.exit("llama.cpp can't load a tiny model; it says why above")
    # What is not freed makes llama.cpp's Metal backend abort at exit.
    try:
        decode_with(llama, model)
    finally:
        llama.llama_model_free(model)


def decode_with(llama: Any, model: Any) -> None:
    params = llama.llama_context_default_params()
    params.n_ctx = 64
    context = llama.llama_init_from_model(model, params)
    if not context:
        sys.exit("llama.cpp makes no context for a tiny model; it says why above")
    try:
        for count in (PROMPT, 1):
            tokens = (ctypes.c_int32 * count)(*range(count))
            status = llama.llama_decode(context, llama.llama_batch_get_one(tokens, count))
            if status != 0:
                sys.exit(f"llama_decode gave status {status} for a tiny model")
            if not all(map(math.isfinite, llama.llama_get_logits_ith(context, -1)[:VOCABULARY])):
                sys.exit("llama.cpp computed NaN or infinity for a tiny model")
    finally:
        llama.llama_free(context)


def tiny_model() -> Iterator[bytes]:
    """A GGUF file: header, metadata, the list of tensors, then their data, each part aligned to 32 bytes."""
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(TENSORS), len(METADATA))
    for key, value in METADATA.items():
        header += text(key)
        if isinstance(value, str):
            header += struct.pack("<I", 8) + text(value)
        else:
            code, form = KINDS[type(value)]
            header += struct.pack("<I", code) + struct.pack(form, value)
    offset, blocks = 0, []
    for name, ((code, per_block, block), shape) in TENSORS.items():
        header += text(f"{name}.weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, code, offset)
        blocks.append(padded(block * (math.prod(shape) // per_block)))
        offset += len(blocks[-1])
    yield padded(header)
    yield from blocks


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode("ascii")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)


if __name__ == "__main__":
    main()
