"""Writes a synthetic model as a GGUF file: header first, then one tensor at a time, a few rows at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType, quants
from gguf.constants import GGML_QUANT_SIZES

from parity.models import SYNTHETIC_DESCRIPTION, Step, Watch
from parity_synth.presets import Preset
from parity_synth.tensors import Tensor
from parity_synth.tokenizer import ADDED, CHAT_TEMPLATE, SPECIAL, Tokenizer, fill

ALIGNMENT_BYTES: Final = 32
_FILE_TYPES: Final = {
    "F32": LlamaFileType.ALL_F32,
    "F16": LlamaFileType.MOSTLY_F16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
    "Q4_0": LlamaFileType.MOSTLY_Q4_0,
    "Q4_1": LlamaFileType.MOSTLY_Q4_1,
    "Q5_0": LlamaFileType.MOSTLY_Q5_0,
    "Q5_1": LlamaFileType.MOSTLY_Q5_1,
}
_COARSE: Final = frozenset({"Q4_0", "Q4_1", "Q5_0", "Q5_1"})
_EMBEDDINGS: Final = frozenset({"token_embd.weight", "output.weight"})


def write_gguf(
    path: Path,
    preset: Preset,
    quant: str,
    seed: int,
    tokenizer: Tokenizer,
    tensors: Sequence[Tensor],
    watch: Watch,
) -> None:
    """Writes `path`. `quant` is none of the K-quants. Vectors are always F32, embeddings below 8 bits Q8_0."""
    types = [_type_of(tensor, quant) for tensor in tensors]
    sizes = [_size_bytes(tensor, kind) for tensor, kind in zip(tensors, types, strict=True)]
    writer = GGUFWriter(path, preset.architecture)
    _add_shape(writer, preset, quant, seed)
    _add_tokenizer(writer, preset, tokenizer)
    for tensor, kind, size in zip(tensors, types, sizes, strict=True):
        writer.add_tensor_info(tensor.name, tensor.shape, None, size, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    total, done = sum(sizes), 0
    with path.open("ab") as stream:
        stream.write(bytes(-stream.tell() % ALIGNMENT_BYTES))
        for tensor, kind in zip(tensors, types, strict=True):
            for rows in tensor.chunks():
                done += stream.write(quants.quantize(rows, kind).tobytes())
                watch(Step(f"writing {path.name}", done, total))
            stream.write(bytes(-stream.tell() % ALIGNMENT_BYTES))


def gguf_bytes(tensors: Sequence[Tensor], quant: str) -> int:
    """Bytes of the tensor data alone."""
    return sum(_size_bytes(tensor, _type_of(tensor, quant)) for tensor in tensors)


def _type_of(tensor: Tensor, quant: str) -> Any:
    if len(tensor.shape) == 1:
        return GGMLQuantizationType.F32
    # llama.cpp gives output weights more bits too: Q6_K, which `gguf` can't write, or Q8_0 where Q6_K does not fit.
    if quant in _COARSE and tensor.name in _EMBEDDINGS:
        return GGMLQuantizationType.Q8_0
    return GGMLQuantizationType[quant]


def _size_bytes(tensor: Tensor, kind: Any) -> int:
    block_elements, block_bytes = GGML_QUANT_SIZES[kind]
    elements = 1
    for extent in tensor.shape:
        elements *= extent
    return int(elements // block_elements * block_bytes)


def _add_shape(writer: Any, preset: Preset, quant: str, seed: int) -> None:
    writer.add_type("model")
    writer.add_name(f"{preset.title} (seed {seed})")
    writer.add_description(SYNTHETIC_DESCRIPTION)
    writer.add_file_type(_FILE_TYPES[quant])
    writer.add_quantization_version(2)
    writer.add_vocab_size(preset.vocab)
    writer.add_context_length(preset.context)
    writer.add_embedding_length(preset.hidden)
    writer.add_block_count(preset.layers)
    writer.add_feed_forward_length(preset.ffn)
    writer.add_head_count(preset.heads)
    writer.add_head_count_kv(preset.kv_heads)
    writer.add_key_length(preset.head_dim)
    writer.add_value_length(preset.head_dim)
    writer.add_rope_dimension_count(preset.rotated or preset.head_dim)
    writer.add_rope_freq_base(preset.rope_base)
    writer.add_layer_norm_rms_eps(preset.rms_eps)
    if preset.architecture == "phi3":
        writer.add_rope_scaling_orig_ctx_len(preset.context)
    if preset.window is not None:
        writer.add_sliding_window(preset.window)


def _add_tokenizer(writer: Any, preset: Preset, tokenizer: Tokenizer) -> None:
    kinds = [
        *[TokenType.NORMAL] * tokenizer.special_from,
        *(TokenType.CONTROL if token.startswith("<|") else TokenType.USER_DEFINED for token in (*SPECIAL, *ADDED)),
        *[TokenType.UNUSED] * (preset.vocab - len(tokenizer.tokens)),
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(list(fill(tokenizer.tokens, preset.vocab)))
    writer.add_token_types(kinds)
    writer.add_token_merges([f"{left} {right}" for left, right in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.id_of("<|im_end|>"))
    writer.add_pad_token_id(tokenizer.id_of("<|endoftext|>"))
    writer.add_bos_token_id(tokenizer.id_of("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
