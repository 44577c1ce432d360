"""The vocabulary of facts: what each side of a comparison ran with, in one spelling, and which facts must be equal.

Runtimes report settings under names of their own; here each becomes a fact with a canonical value. A value that is not
known is None, and never equal to anything.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from parity.reading.devices import DEVICE_CLASSES, device_class, part_of_layers
from parity.reading.metrics.spec import MetricSpec
from parity.records import Scalar

Settings = Mapping[str, Scalar]
Rule = Literal["proven", "equal", "engine", "shown", "judged"]


def is_partial(device: str) -> bool:
    """Whether a device fact says that only some of the layers are on it."""
    return device.endswith(" layers)")


def on_device(device: str, wanted: str) -> bool:
    """Whether a device fact is wholly of a class; `gpu` is every class but `cpu`."""
    if device not in DEVICE_CLASSES:
        return False
    return device != "cpu" if wanted == "gpu" else device == wanted


def _device(settings: Settings) -> str | None:
    reported = _answer(settings.get("device"))
    if reported is None:
        return None
    known = device_class(reported)
    if known is None or known == "cpu":
        return known or reported
    layers = part_of_layers(settings)
    return known if layers is None else f"{known} ({layers} layers)"


def _threads(settings: Settings) -> str | None:
    threads = _whole(_first(settings, ("threads", "n_threads", "num_threads", "rayon_num_threads")))
    prompt = _whole(_first(settings, ("threads_batch", "n_threads_batch")))
    if threads is None:
        return None
    return str(threads) if prompt in (None, threads) else f"{threads} ({prompt} for the prompt)"


def _whole(value: Scalar) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d+", value.strip()) else None


def _first(settings: Settings, keys: tuple[str, ...]) -> Scalar:
    """The first of several settings that was reported."""
    return next((settings[key] for key in keys if settings.get(key) is not None), None)


_WORDS = {
    "dev": "debug",
    "relwithdebinfo": "release",
    "minsizerel": "release",
    "float32": "f32",
    "fp32": "f32",
    "float16": "f16",
    "fp16": "f16",
    "bfloat16": "bf16",
    "true": "on",
    "enabled": "on",
    "yes": "on",
    "false": "off",
    "disabled": "off",
    "no": "off",
}
"""Other spellings of a value → the canonical one."""


def _word(value: Scalar) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "on" if value else "off"
    word = str(value).strip().casefold()
    return _WORDS.get(word, word)


def _switch(value: Scalar) -> str | None:
    word = _word(value)
    return {"1": "on", "0": "off"}.get(word or "", word)


_NO_ANSWERS = {"auto", "automatic", "unknown", "default", "n/a", "na", "none", "null", "undefined", "unset", "?", "-"}
"""What a program prints of a setting that it doesn't know."""


def _answer(value: Scalar) -> str | None:
    """A value in its canonical spelling; None where the words say that it is not known."""
    word = _word(value)
    return None if word is None or word in _NO_ANSWERS else word


def _cache(value: Scalar) -> str | None:
    """Whichever kind of cache a program names, it is on."""
    word = _switch(value)
    if word in (None, "on", "off"):
        return word
    return "off" if word == "none" else None if word in _NO_ANSWERS else "on"


def _set_of(value: Scalar) -> str | None:
    """Names in any order: `b,a` and `a b` are the same features."""
    names = sorted(set(re.split(r"[\s,]+", str(value).strip()))) if value not in (None, "") else []
    return " ".join(names) or None


def _of(*keys: str, read: Callable[[Scalar], str | None] = _word) -> Callable[[Settings], str | None]:
    return lambda settings: read(_first(settings, keys))


def _always(metric: MetricSpec) -> bool:
    return True


def _of_the_prompt(metric: MetricSpec) -> bool:
    return metric.depends_on_prompt


def _of_the_count(metric: MetricSpec) -> bool:
    return metric.depends_on_count


def is_speed(metric: MetricSpec) -> bool:
    """Whether a metric is a time or a rate."""
    return metric.unit in ("s", "token/s")


def _of_prompt_speed(metric: MetricSpec) -> bool:
    return metric.depends_on_prompt and is_speed(metric) and not metric.name.startswith(("gen_", "itl_"))


def _unreported(settings: Settings) -> str | None:
    return None


@dataclass(frozen=True)
class Fact:
    """One fact.

    `rule`: `proven` facts must be shown and equal on both sides. A known difference in an `equal` fact keeps two sides
    from being compared, and so does one in an `engine` fact if both sides are the same program; otherwise it is shown,
    as a `shown` fact always is. A `judged` one is judged by a gate of its own. `concerns`: the metrics on which the
    rule has an effect. `read`: the canonical value in the settings that a runtime reports. `keys`: keys of a runtime's
    table that set it."""

    name: str
    title: str
    rule: Rule
    meaning: str
    read: Callable[[Settings], str | None] = _unreported
    concerns: Callable[[MetricSpec], bool] = _always
    keys: tuple[str, ...] = ()


_LIST = (
    Fact("weights", "weights", "proven", "sha256 of the weights that were loaded"),
    Fact("prompt", "prompt", "proven", "ids of the prompt, or their number", concerns=_of_the_prompt),
    Fact("sampling", "sampling", "proven", "`greedy`, or temperature and truncation", concerns=_of_the_prompt),
    Fact("tokens", "token count", "proven", "number of generated tokens", concerns=_of_the_count),
    Fact(
        *("device", "device", "equal", "device class, and how many layers are on it if not all are"),
        read=_device,
        concerns=is_speed,
        keys=("device", "cpu", "gpu_layers"),
    ),
    Fact(
        *("threads", "threads", "equal", "CPU threads that compute; shown only, if both sides compute on a GPU"),
        read=_threads,
        concerns=is_speed,
        keys=("threads", "rayon_threads", "tokio_threads"),
    ),
    Fact(
        *("build_profile", "build profile", "equal", "`release`, `debug` or a profile's own name"),
        read=_of("build_profile", "profile", "build_type", "cmake_build_type", read=_answer),
        concerns=is_speed,
        keys=("profile",),
    ),
    Fact(
        *("prefix_cache", "prefix cache", "equal", "whether the state of an earlier prompt is used again"),
        read=_of("prefix_cache", "prompt_cache", "cache_prompt", read=_cache),
        concerns=_of_prompt_speed,
        keys=("prefix_cache",),
    ),
    Fact(
        *("warm_up", "warm-up", "equal", "whether it may have answered a prompt before the one that is timed"),
        read=_of("warm_up", read=_switch),
        concerns=_of_prompt_speed,
    ),
    Fact(
        *("kv_type", "key-value cache type", "engine", "data type of the key-value cache"),
        read=_of("kv_type", "kv_cache_dtype", "kv_cache_type", "cache_type_k", "type_k"),
        concerns=is_speed,
        keys=("kv_type", "kv_bits"),
    ),
    Fact(
        *("flash_attention", "flash attention", "engine", "fused attention kernels"),
        read=_of("flash_attention", "flash_attn", read=_switch),
        concerns=is_speed,
        keys=("flash_attention",),
    ),
    Fact(
        *("batch", "batch", "engine", "prompt tokens in one call"),
        read=_of("batch", "n_batch", "prefill_step"),
        concerns=is_speed,
        keys=("batch", "prefill_step"),
    ),
    Fact(
        *("ubatch", "micro-batch", "engine", "prompt tokens that are computed at once"),
        read=_of("ubatch", "n_ubatch"),
        concerns=is_speed,
        keys=("ubatch", "batch"),
    ),
    Fact(
        *("activation_dtype", "activation type", "engine", "data type of activations"),
        read=_of("activation_dtype", "dtype", "compute_dtype"),
        concerns=is_speed,
        keys=("dtype",),
    ),
    Fact(
        "gelu",
        "GELU",
        "shown",
        "how the activation GELU is computed, where not in the type of activations",
        _of("gelu"),
    ),
    Fact(
        *("extra_buffers", "extra buffers", "engine", "whether weights are repacked for faster kernels"),
        read=_of("extra_buffers", "repack", "use_extra_bufts", read=_switch),
        concerns=is_speed,
        keys=("extra_buffers",),
    ),
    Fact("context", "context", "shown", "positions that are allocated", _of("context", "n_ctx"), keys=("context",)),
    Fact("affinity", "CPU affinity", "shown", "CPUs that the process may use", _of("affinity")),
    Fact("bos", "begin token", "shown", "whether a begin token comes first", _of("bos", "add_bos", read=_switch)),
    Fact("template", "chat template", "shown", "hash of the chat template", _of("template_sha256", "template")),
    Fact("stop_rule", "stop rule", "shown", "what ends the generation", _of("stop_rule")),
    Fact(
        *("features", "build features", "shown", "features that the program is built with"),
        read=_of("build_features", "features", read=_set_of),
        keys=("features", "default_features"),
    ),
    Fact(
        *("compiler_flags", "compiler flags", "shown", "target CPU and other flags of the build"),
        read=_of("compiler_flags", "rustflags", "build_target_cpu", "target_cpu", "cflags"),
        keys=("target_cpu", "rustflags"),
    ),
    Fact("version", "version", "shown", "version of the runtime"),
    Fact("commit", "commit", "shown", "commit of the sources that it was built from", _of("commit")),
    Fact("program", "program", "shown", "one hash over the executable, scripts and worker files"),
    Fact("outputs", "outputs", "judged", "what it generates, where it shows too little of it to be judged"),
    Fact("env", "environment", "shown", "`env` of the runtime's table", keys=("env", "pass_env")),
)

FACTS: dict[str, Fact] = {fact.name: fact for fact in _LIST}
"""Name → fact, in the order in which reports show them. The names are those of `[[declare]]`."""

FACTS_OF_KEY: dict[str, tuple[str, ...]] = {
    key: tuple(fact.name for fact in _LIST if key in fact.keys) for fact in _LIST for key in fact.keys
}
"""Key of a runtime's table → the facts that it sets. A micro-batch is no larger than its batch."""


def facts_in(settings: Settings) -> dict[str, str]:
    """The facts that reported settings hold, in canonical values."""
    return _facts_of(tuple((name, value, type(value)) for name, value in settings.items()))


@lru_cache(maxsize=4096)
def _facts_of(settings: tuple[tuple[str, Scalar, type], ...]) -> dict[str, str]:
    """Kept: the trials of a runtime report the same settings, and a run is judged after every round. The types tell 1
    from true."""
    reported = {name: value for name, value, _ in settings}
    found = {fact.name: fact.read(reported) for fact in _LIST}
    return {name: value for name, value in found.items() if value is not None}
