"""The metadata keys that llama.cpp reads of the architectures whose files are checked: a key that it passes over would
change what the model is, and nobody would see it."""

from collections.abc import Iterator
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
    "llama": _READ_OF_ALL,
    "phi3": _READ_OF_ALL | {"attention.sliding_window"},
    "qwen3": _READ_OF_ALL,
}
"""What llama.cpp reads as it loads a model, by architecture (llama-model.cpp, `load_hparams`). Which of them have an
effect is its own business: it is the reference for what they mean."""

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
    "rope.scaling.yarn_log_multiplier": (0,),
    "use_parallel_residual": (False,),
}
"""Keys that llama.cpp passes over, with the values that say what it computes anyway."""


def passed_over(model: ModelFacts) -> Iterator[str]:
    """The keys, each with its value, that llama.cpp doesn't obey; none of an architecture that isn't listed here."""
    read = READ.get(model.architecture or "")
    if read is None:
        return
    for key, value in model.architecture_keys.items():
        name = key.removeprefix(f"{model.architecture}.")
        if name not in read | LABELS and value not in AS_IF_ABSENT.get(name, ()):
            yield f"{key} = {value:.7g}" if isinstance(value, float) else f"{key} = {value}"
