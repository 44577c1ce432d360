"""The metadata keys that llama.cpp reads of the architectures whose files are checked: a key that it passes over would
change what the model is, and nobody would see it."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from parity.adapter import ModelFacts

_READ_OF_ALL: Final = frozenset(
    {
        "attention.causal",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.key_length_swa",
        "attention.layer_norm_rms_epsilon",
        "attention.value_length",
        "attention.value_length_swa",
        "block_count",
        "classifier.output_labels",
        "classifier.pooling_type",
        "context_length",
        "embedding_length",
        "embedding_length_out",
        "expert_count",
        "expert_group_count",
        "expert_group_used_count",
        "expert_used_count",
        "feed_forward_length",
        "nextn_predict_layers",
        "pooling_type",
        "rope.dimension_count",
        "rope.dimension_count_swa",
        "rope.freq_base",
        "rope.scale_linear",
        "rope.scaling.alpha",
        "rope.scaling.attn_factor",
        "rope.scaling.factor",
        "rope.scaling.finetuned",
        "rope.scaling.original_context_length",
        "rope.scaling.type",
    }
)
READ: Final[dict[str, frozenset[str]]] = {
    "gemma3": _READ_OF_ALL
    | {
        "attention.sliding_window",
        "attention.sliding_window_pattern",
        "final_logit_softcapping",
        "rope.freq_base_swa",
    },
    "llama": _READ_OF_ALL,
    "phi3": _READ_OF_ALL | {"attention.sliding_window"},
    "qwen2": _READ_OF_ALL,
    "qwen3": _READ_OF_ALL,
}
"""What llama.cpp reads as it loads a model, by architecture (llama-model.cpp and models/*.cpp, `load_hparams`). Which
of them have an effect is its own business: it is the reference for what they mean."""

LABELS: Final = frozenset({"tensor_data_layout", "vocab_size"})
"""Keys that converters write and that no computation depends on. The vocabulary's size is that of the list of tokens,
and llama.cpp refuses tensors of another size."""

AS_IF_ABSENT: Final[dict[str, tuple[float, ...]]] = {
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.scale": (0,),
    "attention.sliding_window": (0,),
    "attn_logit_softcapping": (0,),
    "embedding_scale": (0, 1),
    "expert_feed_forward_length": (0,),
    "expert_shared_count": (0,),
    "final_logit_softcapping": (0,),
    "leading_dense_block_count": (0,),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "rope.scaling.yarn_attn_factor": (1,),
    "rope.scaling.yarn_beta_fast": (32,),
    "rope.scaling.yarn_beta_slow": (1,),
    "rope.scaling.yarn_ext_factor": (-1,),
    "rope.scaling.yarn_log_multiplier": (0,),
    "use_parallel_residual": (False,),
}
"""Keys that llama.cpp passes over, with the values that say what it computes anyway."""

WRITERS_OWN: Final = ("convnext.block_count", "posnet.block_count", "ssm.inner_size", "wkv.head_size")
"""Keys of four other families, by which a file is known that llama.cpp itself wrote (llama-model-saver.cpp): it states
every key of any architecture, with llama.cpp's default where the model has nothing of the kind."""

DEFAULTS: Final[dict[str, float]] = {
    "activation.situ_beta": 1,
    "attention.indexer.kpool_select_tail": True,
    "attention.rope_pattern": 1,
    "attn_logit_softcapping": 50,
    "expert_group_scale": 0.05,
    "final_logit_softcapping": 30,
    "rope.freq_base_swa": 10000,
    "router_logit_softcapping": 30,
    "token_shift_count": 2,
}
"""Those of its defaults that are not plainly nothing."""

_NOTHING = (0, -1, "-inf", "")
_LIST_OF_NOTHING = re.compile(r"\[((0|0\.0|-1|False)(, )?)*\]|\d+ values")
"""As a model's facts show it; of a long list only its length."""


def passed_over(model: ModelFacts) -> Iterator[str]:
    """The keys, each with its value, that llama.cpp doesn't obey; none of an architecture that isn't listed here."""
    read = READ.get(model.architecture or "")
    if read is None:
        return
    given = {key.removeprefix(f"{model.architecture}."): value for key, value in model.architecture_keys.items()}
    its_own = all(given.get(name) == 0 for name in WRITERS_OWN)
    for name, value in given.items():
        if name in read | LABELS or value in _as_if_absent(name, given) or (its_own and _is_default(name, value)):
            continue
        if name == "attention.scale" and _is_computed_anyway(value, given):
            continue
        key = f"{model.architecture}.{name}"
        yield f"{key} = {value:.7g}" if isinstance(value, float) else f"{key} = {value}"


def _as_if_absent(name: str, given: Mapping[str, object]) -> tuple[float, ...]:
    """The values of a key that say what is computed without it."""
    if name == "rope.scaling.yarn_ext_factor":
        # llama.cpp mixes in all of YaRN where that is the kind of scaling, and none of it otherwise.
        return (*AS_IF_ABSENT[name], float(given.get("rope.scaling.type") == "yarn"))
    return AS_IF_ABSENT.get(name, ())


def _is_computed_anyway(scale: object, given: Mapping[str, object]) -> bool:
    """Whether attention is scaled by that much without the key: by the root of a head's size. llama.cpp states it for
    gemma3."""
    size = given.get("attention.key_length")
    return isinstance(size, int) and isinstance(scale, float) and size > 0 and abs(scale * size**0.5 - 1) < 1e-6


def _is_default(name: str, value: object) -> bool:
    """Of a file that llama.cpp wrote."""
    if isinstance(value, str) and _LIST_OF_NOTHING.fullmatch(value):
        return True
    if isinstance(value, float) and name in DEFAULTS:
        # Files hold numbers of 32 bits.
        return abs(value - DEFAULTS[name]) < 1e-6
    return value in _NOTHING or DEFAULTS.get(name) == value
