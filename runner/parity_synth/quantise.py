"""Writes a GGUF file in a different quantisation, with llama.cpp's own quantiser through llama-cpp-python.

Usage: python quantise.py SOURCE TARGET QUANT. Prints `DONE TOTAL` lines, in tensors, on standard output.
"""

import ctypes
import os
import re
import signal
import sys
from typing import Any

QUANTS = ("Q4_K_M", "Q5_K_M", "Q6_K")
MOST_BUFFER_BYTES = 1 << 30
LOG_LEVEL_ERROR = 4
TENSOR_LINE = re.compile(rb"\[\s*(\d+)/\s*(\d+)\]")


def main(source: str, target: str, quant: str) -> int:
    if quant not in QUANTS:
        print(f"{quant} is not one of {', '.join(QUANTS)}", file=sys.stderr)
        return 2
    try:
        import llama_cpp
    except ImportError as error:
        print(f"llama-cpp-python can't be imported: {error}", file=sys.stderr)
        return 3
    # If the reader of this output dies, end too. A Python error raised in llama.cpp's callback would be lost.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    complaints: list[str] = []
    callback = progress_log(llama_cpp, complaints)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{quant}")
    parameters.nthread = os.cpu_count() or 1
    if hasattr(parameters, "max_buf_size"):
        parameters.max_buf_size = MOST_BUFFER_BYTES
    failed = llama_cpp.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(parameters))
    if failed:
        reason = complaints[-1] if complaints else f"status {failed}"
        print(f"llama.cpp's quantiser failed: {reason}", file=sys.stderr)
    return 1 if failed else 0


def progress_log(llama_cpp: Any, complaints: list[str]) -> Any:
    """A log callback that turns llama.cpp's line about each tensor into progress and keeps its errors."""

    def callback(level: int, text: bytes, _: object) -> None:
        if place := TENSOR_LINE.match(text.lstrip()):
            print(int(place[1]), int(place[2]), flush=True)
        elif level == LOG_LEVEL_ERROR and text.strip():
            complaints.append(text.decode(errors="replace").strip())

    return llama_cpp.llama_log_callback(callback)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
