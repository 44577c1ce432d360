"""Loads a model and makes its context, and says with which settings."""

from __future__ import annotations

import math
import re
from typing import Any

from parity_worker import WorkerError, usable_cpus

from .runtime import PACKAGE, Log

CONTEXT_STEP = 256


def load_model(llama: Any, facts: dict[str, Any], settings: dict[str, Any], log: Log) -> tuple[Any, bool]:
    """Reads the weights into memory: without mmap they are resident when this returns. Also returns whether llama.cpp
    may repack them into extra buffers."""
    if facts["format"] != "gguf":
        raise WorkerError("refused", f"{PACKAGE} reads GGUF files only, and {facts['path']} is a folder")
    llama.llama_backend_init()
    params = llama.llama_model_default_params()
    params.load_mode = llama.LLAMA_LOAD_MODE_NONE
    params.n_gpu_layers = gpu_layers(llama, settings)
    if settings.get("extra_buffers") is not None:
        params.use_extra_bufts = settings["extra_buffers"]
    model = llama.llama_model_load_from_file(facts["path"].encode(), params)
    if not model:
        raise log.failure(f"{facts['path']} can't be loaded", "refused")
    return model, params.use_extra_bufts


def gpu_layers(llama: Any, settings: dict[str, Any]) -> int:
    """The setting, or every layer where this build has a GPU. A negative number means every layer."""
    if settings.get("gpu_layers") is not None:
        return int(settings["gpu_layers"])
    return -1 if llama.llama_supports_gpu_offload() else 0


def refuse_window(facts: dict[str, Any], positions: int) -> None:
    """llama.cpp switched Phi-3's sliding window off (models/phi3.cpp), which changes what longer sequences give."""
    key = f"{facts.get('architecture')}.attention.sliding_window"
    window = facts.get("architecture_keys", {}).get(key)
    if key.startswith("phi3.") and isinstance(window, int) and 0 < window < positions:
        message = f"llama.cpp attends to all positions, and {key} = {window} to so many; the job has {positions}"
        raise WorkerError("refused", message, f"keep prompt and answer within {window} tokens")


def gelu_of(facts: dict[str, Any], device: object) -> dict[str, str]:
    """The setting that says how GELU is computed, where not as other engines do (ggml-cpu: `ggml_vec_gelu_f32`)."""
    looked_up = facts.get("architecture") == "gemma3" and device == "cpu"
    return {"gelu": "from a table of F16"} if looked_up else {}


def new_context(llama: Any, model: Any, settings: dict[str, Any], need: int, log: Log) -> Any:
    """A fresh context; as large as the job needs unless the settings say otherwise."""
    size = settings.get("context") or math.ceil(need / CONTEXT_STEP) * CONTEXT_STEP
    if size < need:
        message = f"the job needs a context of {need} tokens, and it is set to {size}"
        raise WorkerError("refused", message, f"set `context = {need}` or more, or leave it out")
    types = {"f32": llama.GGML_TYPE_F32, "f16": llama.GGML_TYPE_F16, "q8_0": llama.GGML_TYPE_Q8_0}
    params = llama.llama_context_default_params()
    params.n_ctx = size
    params.n_batch = min(size, settings.get("batch") or 512)
    params.n_ubatch = min(params.n_batch, settings.get("ubatch") or 512)
    params.n_threads = params.n_threads_batch = settings.get("threads") or len(usable_cpus())
    params.type_k = params.type_v = types[settings.get("kv_type") or "f16"]
    if gpu_layers(llama, settings) == 0:
        # By default keys and values, and large batches, go to a GPU even where no layer does.
        params.offload_kqv = params.op_offload = False
    params.flash_attn_type = 1 if settings.get("flash_attention") else 0
    params.no_perf = False
    context = llama.llama_init_from_model(model, params)
    if not context:
        raise log.failure(f"no context of {size} tokens", "refused")
    return context


def settings_used(
    llama: Any, context: Any, settings: dict[str, Any], log: Log
) -> dict[str, str | int | float | bool | None]:
    """Settings as llama.cpp reports them; from its log where it has no call for them."""
    device = log.fact("device")
    return {
        "device": re.sub(r"\d+$", "", device.split(",")[0]).lower().replace("mtl", "metal") if device else "cpu",
        "gpu_layers": log.fact("offloaded") or gpu_layers(llama, settings),
        "threads": llama.llama_n_threads(context),
        "threads_batch": llama.llama_n_threads_batch(context),
        "context": llama.llama_n_ctx(context),
        "batch": llama.llama_n_batch(context),
        "ubatch": llama.llama_n_ubatch(context),
        "kv_type": log.fact("kv_type"),
        "flash_attention": log.fact("flash_attention"),
        "mmap": False,
        "weights": "as stored",
        "weights_buffers": log.fact("weights_buffers"),
        "cpu_features": llama.llama_print_system_info().decode().strip(" |"),
        "prefix_cache": False,
        "warm_up": False,
    }
