"""Slows llama-cpp-python's decoding down to a known share of its speed, for `benchmarks/real_verdicts.py`.

With this folder on PYTHONPATH and DECODE_AT=0.7 in the environment, the program pauses after each decode of a single
token, for as long as makes it decode at 0.7 times its own speed. A pause is measured against the time since the last
one, so that it follows the machine's speed of the moment.
"""

import os
import time

import llama_cpp

DECODE_AT = float(os.environ["DECODE_AT"])


class Paused:
    """`llama_decode`, slowed down."""

    def __init__(self) -> None:
        self.decode = llama_cpp.llama_decode
        self.last = 0.0

    def __call__(self, context: object, batch: llama_cpp.llama_batch) -> int:
        status: int = self.decode(context, batch)
        if batch.n_tokens == 1 and self.last:
            time.sleep((time.perf_counter() - self.last) * (1 / DECODE_AT - 1))
        self.last = time.perf_counter()
        return status


llama_cpp.llama_decode = Paused()
