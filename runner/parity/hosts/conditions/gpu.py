"""Who computes on the GPUs, as NVIDIA's management library (NVML) tells."""

from parity.hosts import nvml as nvidia


def others_on_gpus() -> int | str:
    """How many processes compute on any GPU now, while no trial runs; a string says why that is not known."""
    nvml = nvidia.library()
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
