"""What machine this is, as far as a reader of figures wants to know. Each fact has one source."""

import os
import platform
import sys
from pathlib import Path

import psutil

from parity.cache import cache_folder, user_hf_home
from parity.cgroups import usable_memory_bytes
from parity.records import HostFacts, Scalar


def facts() -> dict[str, Scalar]:
    """Facts of the machine and of its load right now; None where the system doesn't tell."""
    return {
        "platform": "darwin" if sys.platform == "darwin" else "linux" if sys.platform == "linux" else sys.platform,
        "host": platform.node(),
        "os": f"{platform.system()} {platform.release()}",
        "arch": platform.machine(),
        "cpu": _cpu_model(),
        "cores_logical": psutil.cpu_count(),
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "usable_memory_bytes": usable_memory_bytes(),
        "load_1min": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def _cpu_model() -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or None


def host_facts() -> HostFacts:
    """What adapters may know of this machine."""
    return HostFacts(
        platform=sys.platform,
        arch=platform.machine(),
        python=sys.executable,
        usable_cpus=len(usable_cpu_numbers()),
        cache=str(cache_folder()),
        hf_home=str(user_hf_home()),
        cpu_flags=_cpu_flags(),
    )


def usable_cpu_numbers() -> tuple[int, ...]:
    """The CPUs that parity, and what it starts, may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _cpu_flags() -> tuple[str, ...]:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return tuple(sorted(flags.split()))
    except OSError:
        pass
    return ()
