"""What machine this is, as far as a reader of figures wants to know. Each fact has one source."""

import os
import platform
import sys
from pathlib import Path

import psutil

from parity.records import Scalar


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
