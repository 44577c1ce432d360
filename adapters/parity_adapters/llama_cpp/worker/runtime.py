"""Imports llama_cpp, and reads its log."""

from __future__ import annotations

import ctypes
import re
import sys
from typing import Any

from parity_worker import WorkerError, unavailable

PACKAGE = "llama-cpp-python"
OLDEST = "0.3.35"
REQUIREMENTS = (f"{PACKAGE}>={OLDEST}",)
LOG_WARN, LOG_ERROR = 3, 4


def import_runtime() -> Any:
    try:
        import llama_cpp
    except Exception as error:
        message = f"{PACKAGE} can't be imported: {type(error).__name__}: {error}"
        raise unavailable(message, REQUIREMENTS, anew=True) from error
    if not hasattr(llama_cpp, "LLAMA_LOAD_MODE_NONE"):
        raise unavailable(f"{PACKAGE} is older than {OLDEST}", REQUIREMENTS)
    return llama_cpp


def device() -> str:
    """The backend that this build computes on: `cpu`, or the first one that isn't, such as `metal` or `cuda`."""
    llama = import_runtime()
    if not llama.llama_supports_gpu_offload():
        return "cpu"
    backends = re.findall(r"(\w+) : ", llama.llama_print_system_info().decode())
    names: list[str] = [name.lower() for name in backends if name.lower() not in ("cpu", "blas")]
    return {"mtl": "metal"}.get(names[0], names[0]) if names else "gpu"


LOGGED = {
    "device": re.compile(r"using device (\S+)"),
    "weights_buffers": re.compile(r"load_tensors: +(\S+) model buffer size = +(\S+ \S+)"),
    "flash_attention": re.compile(r"flash_attn += (\S+)"),
    "kv_type": re.compile(r"llama_kv_cache: size .*K \((\S+)\)"),
    "offloaded": re.compile(r"offloaded (\d+/\d+) layers"),
}
"""What llama.cpp writes into its log alone."""


class Log:
    """llama.cpp's log: warnings and errors go to standard error; what only the log says is kept in `facts`."""

    def __init__(self, llama: Any) -> None:
        self.facts: dict[str, list[str]] = {}
        self.errors: list[str] = []
        # ctypes frees a callback that nobody holds, and llama.cpp would call into freed memory
        self._callback = llama.llama_log_callback(self._line)
        llama.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _line(self, level: int, raw: bytes, _user: Any) -> None:
        line = raw.decode("utf-8", errors="replace")
        if level in (LOG_WARN, LOG_ERROR):
            sys.stderr.write(line)
        if level == LOG_ERROR:
            self.errors.append(line.strip())
        for name, pattern in LOGGED.items():
            match = pattern.search(line)
            if match:
                self.facts.setdefault(name, []).append(" ".join(match.groups()))

    def fact(self, name: str) -> str | None:
        return ", ".join(self.facts[name]) if name in self.facts else None

    def failure(self, what: str, kind: str = "failed") -> WorkerError:
        """The first error that llama.cpp logged is the cause; those after it only pass it on."""
        cause = self.errors[0] if self.errors else "llama.cpp gave no reason"
        oom = re.search(r"out of memory|failed to allocate|unable to allocate", " ".join(self.errors))
        return WorkerError("oom" if oom else kind, f"{what}: {cause}")
