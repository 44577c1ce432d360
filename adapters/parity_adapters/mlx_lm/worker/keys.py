"""The metadata keys of a GGUF file that are obeyed here, and those that change nothing. A file with any other key of
its architecture or of its tokenizer is refused: the key may change what the model computes, and nobody would see it.

A key means what llama.cpp makes of it (llama-model.cpp: `load_hparams`; llama-context.cpp; llama-vocab.cpp: `load`).
The keys here are those of all architectures; each has its own besides (`Architecture.own_keys`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parity_worker import WorkerError

from .architectures import ARCHITECTURES, Architecture, Shape
from .gguf_file import Metadata

INSTEAD = "give this runtime an MLX model folder"

NEEDED = (
    "block_count",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
)
OPTIONAL = ("attention.head_count_kv", "attention.key_length", "rope.freq_base")
"""Obeyed, like those that are needed: each is one positive number. `Shape` holds them."""

SCALING = frozenset({"rope.scaling.type", "rope.scaling.factor", "rope.scale_linear"})
"""Obeyed together, by `rope_factor`."""

PER_LAYER = ("attention.head_count", "attention.head_count_kv", "feed_forward_length")
"""Keys that may hold one value a layer."""

IDLE = frozenset(
    {
        "context_length",
        "pooling_type",
        "rope.scaling.finetuned",
        "rope.scaling.original_context_length",
        "tensor_data_layout",
    }
)
"""Keys that change nothing here, whatever they say: llama.cpp uses them for embeddings and for YaRN, or not at all."""

AS_IF_ABSENT: dict[str, tuple[float, ...]] = {
    "attention.causal": (True,),
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.scale": (0,),
    "attention.sliding_window": (0,),
    "attn_logit_softcapping": (0,),
    "embedding_length_out": (0,),
    "embedding_scale": (0, 1),
    "expert_count": (0,),
    "expert_feed_forward_length": (0,),
    "expert_group_count": (0,),
    "expert_group_used_count": (0,),
    "expert_shared_count": (0,),
    "expert_used_count": (0,),
    "final_logit_softcapping": (0,),
    "leading_dense_block_count": (0,),
    "logit_scale": (0, 1),
    "nextn_predict_layers": (0,),
    "residual_scale": (0, 1),
    "rope.scaling.attn_factor": (1,),
    "rope.scaling.yarn_attn_factor": (1,),
    "rope.scaling.yarn_beta_fast": (32,),
    "rope.scaling.yarn_beta_slow": (1,),
    "rope.scaling.yarn_ext_factor": (-1, 0),
    "rope.scaling.yarn_log_multiplier": (0,),
    "use_parallel_residual": (False,),
}
"""Keys with the values that say what is computed without them."""

WRITERS_OWN = ("convnext.block_count", "posnet.block_count", "ssm.inner_size", "wkv.head_size")
"""Keys of four other families, by which a file is known that llama.cpp itself wrote (llama-model-saver.cpp): it states
every key of any architecture, with llama.cpp's default where the model has nothing of the kind."""

DEFAULTS = {
    "activation.situ_beta": 1,
    "attention.indexer.kpool_select_tail": True,
    "attention.rope_pattern": 1,
    "attn_logit_softcapping": 50,
    "expert_group_scale": 0.05,
    "final_logit_softcapping": 30,
    "router_logit_softcapping": 30,
    "token_shift_count": 2,
}
"""Those of its defaults that are not plainly nothing."""

OF_WINDOWS = (
    "attention.key_length_swa",
    "attention.value_length_swa",
    "rope.dimension_count_swa",
    "rope.freq_base_swa",
)
"""Keys that it writes of layers with a sliding window. Where an architecture has none, a file with one is refused by
other keys."""


def read_shape(metadata: Metadata, vocabulary: int) -> Shape:
    """The shape of a file whose embedding has `vocabulary` rows.

    Raises:
        WorkerError: the architecture isn't read, a key is missing, or one says what isn't computed here.
    """
    name, given = metadata.architecture, metadata.under(f"{metadata.architecture}.")
    if name not in ARCHITECTURES:
        message = f"GGUF files of architecture {name} aren't read; {listed(ARCHITECTURES)} are"
        raise WorkerError("refused", message, INSTEAD)
    architecture = ARCHITECTURES[name]
    layered = [key for key in PER_LAYER if isinstance(given.get(key), list)]
    if layered:
        named = ", ".join(f"{name}.{key}" for key in layered)
        message = f"{named}: values that differ from layer to layer aren't read from a GGUF file"
        raise WorkerError("refused", message, INSTEAD)
    missing = [f"{name}.{key}" for key in NEEDED if key not in given]
    if missing:
        raise WorkerError("refused", f"the file has no {', '.join(missing)}", INSTEAD)
    wrong = {key: given[key] for key in (*NEEDED, *OPTIONAL) if key in given and not is_positive(given[key])}
    if wrong:
        raise not_obeyed(name, wrong)

    hidden, heads = given["embedding_length"], given["attention.head_count"]
    head_size = given.get("attention.key_length", hidden // heads)
    own = {key: meaning(given[key]) for key, meaning in architecture.own_keys.items() if key in given}
    unread = not_read(architecture, given, hidden, heads, vocabulary)
    unread |= {key: given[key] for key, value in own.items() if value is None}
    if unread:
        raise not_obeyed(name, unread)
    shape = Shape(
        layers=given["block_count"],
        hidden=hidden,
        feed_forward=given["feed_forward_length"],
        heads=heads,
        kv_heads=given.get("attention.head_count_kv", heads),
        head_size=head_size,
        rotated=own.get("rope.dimension_count", head_size),
        rms_epsilon=given["attention.layer_norm_rms_epsilon"],
        rope_base=given.get("rope.freq_base", 10000.0),
        rope_factor=rope_factor(name, given),
        context=given.get("context_length"),
        own=own,
    )
    objection = architecture.objection(shape)
    if objection is not None:
        raise WorkerError("refused", f"not obeyed when a GGUF file is read: {objection}", INSTEAD)
    return shape


def not_read(
    architecture: Architecture, given: dict[str, Any], hidden: int, heads: int, vocabulary: int
) -> dict[str, Any]:
    """The keys, with their values, that ask for what isn't computed here; an architecture's own are left out."""
    head_size = given.get("attention.key_length", hidden // heads)
    only: dict[str, tuple[Any, ...]] = {
        **AS_IF_ABSENT,
        "attention.scale": (0, head_size**-0.5),
        "attention.value_length": (head_size,),
        "embedding_length_out": (0, hidden),
        "rope.dimension_count": (head_size,),
        "vocab_size": (vocabulary,),
    }
    if architecture.has_windows:
        only |= dict.fromkeys(OF_WINDOWS, (head_size,))
    obeyed = {*NEEDED, *OPTIONAL, *SCALING, *IDLE, *architecture.own_keys}
    if not architecture.own_head_size:
        only["attention.key_length"] = (hidden // heads,)
        obeyed.remove("attention.key_length")
    # without this key, llama.cpp gives values the size of a head that the embedding is divided into
    said = {"attention.value_length": hidden // heads, **given}
    by_llama_cpp = all(given.get(key) == 0 for key in WRITERS_OWN)
    return {
        key: value
        for key, value in said.items()
        if key not in obeyed
        and value not in only.get(key, ())
        and not (by_llama_cpp and is_default(architecture, key, value))
    }


def is_default(architecture: Architecture, key: str, value: Any) -> bool:
    """Of a file that llama.cpp wrote, whose numbers have 32 bits."""
    if isinstance(value, list):
        return all(each in (0, -1) for each in value)
    if (key in OF_WINDOWS and not architecture.has_windows) or value in (0, -1, float("-inf"), ""):
        return True
    return key in DEFAULTS and not isinstance(value, str) and abs(value - DEFAULTS[key]) < 1e-6


def rope_factor(architecture: str, given: dict[str, Any]) -> float:
    """By how much positions are divided. Without a type, llama.cpp takes `linear`; without the factor, that of the old
    key; and 0 stands for no factor."""
    kind = given.get("rope.scaling.type", "linear")
    if kind == "none":
        return 1.0
    if kind != "linear":
        raise not_obeyed(architecture, {"rope.scaling.type": kind})
    key = "rope.scaling.factor" if "rope.scaling.factor" in given else "rope.scale_linear"
    factor = given.get(key, 0)
    if factor != 0 and not is_positive(factor):
        raise not_obeyed(architecture, {key: factor})
    return float(factor) or 1.0


TOKENIZER = frozenset(
    {
        "add_bos_token",
        "add_eos_token",
        "bos_token_id",
        "eom_token_id",
        "eos_token_id",
        "eot_token_id",
        "fim_pad_token_id",
        "fim_rep_token_id",
        "fim_sep_token_id",
        "merges",
        "model",
        "pre",
        "token_type",
        "tokens",
    }
)
"""Obeyed by `tokenizing`."""

OTHER_FAMILIES = frozenset(
    {
        "add_sep_token",
        "add_space_prefix",
        "cls_token_id",
        "fim_mid_token_id",
        "fim_pre_token_id",
        "fim_suf_token_id",
        "mask_token_id",
        "middle_token_id",
        "padding_token_id",
        "precompiled_charsmap",
        "prefix_token_id",
        "remove_extra_whitespaces",
        "scores",
        "seperator_token_id",
        "suffix_token_id",
        "token_type_count",
        "unknown_token_id",
    }
)
"""Keys that change neither ids nor the end in llama.cpp's byte-level BPE: they are for tokenizers of other families,
for filling in the middle, or names alone. SentencePiece's BPE has scores and a prefix, which `sentencepiece` obeys."""


def refuse_tokenizer(metadata: Metadata) -> None:
    """Raises WorkerError for a tokenizer's key that isn't obeyed, and for what llama.cpp makes of a missing one."""
    given = metadata.under("tokenizer.ggml.")
    unread = {
        key: value
        for key, value in given.items()
        if key not in TOKENIZER and key not in OTHER_FAMILIES and value not in (False, [], "")
    }
    if unread:
        raise not_obeyed("tokenizer.ggml", unread)
    name = str(metadata.get("general.name", ""))
    if any(part in name.lower() for part in ("phi-3", "phi3")):
        message = f"general.name = {name}: llama.cpp drops white space after special tokens of a model of that name"
        raise WorkerError("refused", message, INSTEAD)
    size = len(given["tokens"])
    for key in TOKENIZER:
        if key.endswith("_token_id") and not 0 <= given.get(key, 0) < size:
            raise not_obeyed("tokenizer.ggml", {key: given[key]})


def listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}"


def is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")


def not_obeyed(prefix: str, keys: dict[str, Any]) -> WorkerError:
    named = ", ".join(f"{prefix}.{key} = {shown(value)}" for key, value in keys.items())
    return WorkerError("refused", f"not obeyed when a GGUF file is read: {named}", INSTEAD)


def shown(value: Any) -> str:
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
