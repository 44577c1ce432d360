"""Imports mlx and mlx-lm for the device that is wanted."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from parity_worker import WorkerError, unavailable

PACKAGE = "mlx-lm"
REQUIREMENTS = (PACKAGE,) if sys.platform == "darwin" else (PACKAGE, "mlx[cpu]")


class Mlx(NamedTuple):
    """What is used of mlx and mlx-lm, and where it computes: `cpu`, `metal` or `cuda`."""

    mx: Any
    nn: Any
    stream_generate: Any
    make_prompt_cache: Any
    make_sampler: Any
    utils: Any
    device: str


def import_runtime(device: str | None) -> Mlx:
    try:
        import mlx.core as mx

        # mlx-lm creates its stream on import, on what is the default device by then
        if device == "gpu" and not gpu_name(mx):
            raise WorkerError("refused", "MLX finds no GPU here", 'set `device = "cpu"`, or leave it out')
        if device is not None:
            mx.set_default_device(mx.gpu if device == "gpu" else mx.cpu)
        on_cpu = mx.default_device() == mx.Device(mx.cpu)
        if on_cpu:
            # a compiled function would call the C++ compiler in the first prefill on a machine, and only there
            mx.disable_compile()

        import mlx.nn as nn
        import mlx_lm.utils
        from mlx_lm import stream_generate
        from mlx_lm.models.cache import make_prompt_cache
        from mlx_lm.sample_utils import make_sampler
    except WorkerError:
        raise
    except Exception as error:
        message = f"{PACKAGE} can't be imported: {type(error).__name__}: {error}"
        raise unavailable(message, REQUIREMENTS, anew=True) from error
    name = "cpu" if on_cpu else gpu_name(mx) or "gpu"
    return Mlx(mx, nn, stream_generate, make_prompt_cache, make_sampler, mlx_lm.utils, name)


def gpu_name(mx: Any) -> str | None:
    for name in ("metal", "cuda"):
        backend = getattr(mx, name, None)
        if backend is not None and backend.is_available():
            return name
    return None
