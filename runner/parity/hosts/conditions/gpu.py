"""Who computes on the GPUs, as NVIDIA's management library (NVML) tells."""

from functools import cache
from typing import Any


@cache
def _nvml() -> Any:
    """The library, initialised once; a string says why there is none."""
    try:
        import pynvml
    except ImportError:
        return "nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except Exception as error:
        return f"NVML can't be used ({error})"
    return pynvml


def others_on_gpus() -> int | str:
    """How many processes compute on any GPU now, while no trial runs; a string says why that is not known."""
    nvml = _nvml()
    if isinstance(nvml, str):
        return nvml
    try:
        pids: set[int] = set()
        for k in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(k)
            pids.update(process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    except Exception as error:
        return f"NVML didn't tell ({error})"
    return len(pids)
