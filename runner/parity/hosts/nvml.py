"""NVIDIA's management library (NVML), and the memory that processes use on its GPUs."""

from collections.abc import Collection
from functools import cache
from typing import Any


@cache
def library() -> Any:
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


def processes(nvml: Any = None) -> list[Any] | str:
    """What computes on any GPU now, once for each GPU that it uses; a string says why that is not known."""
    nvml = library() if nvml is None else nvml
    if isinstance(nvml, str):
        return nvml
    try:
        return [
            process
            for k in range(nvml.nvmlDeviceGetCount())
            for process in nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(k))
        ]
    except Exception as error:
        return f"NVML didn't tell ({error})"


def memory_bytes(pids: Collection[int], nvml: Any = None) -> int | str:
    """The memory that these processes use on all GPUs together; a string says why that is not known.

    A process that NVML doesn't list uses none, or is listed under a process id of the system outside a container: so
    where none is listed, nothing is known."""
    running = processes(nvml)
    if isinstance(running, str):
        return running
    found = [process for process in running if process.pid in pids]
    if not found:
        return "NVML lists none of its processes"
    if any(process.usedGpuMemory is None for process in found):
        return "NVML doesn't tell the memory of single processes here"
    return sum(int(process.usedGpuMemory) for process in found)
