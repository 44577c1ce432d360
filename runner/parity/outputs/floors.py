"""How far apart engines that are not at fault were measured to lie, by numeric class. Pure.

Each figure is the largest difference of one model on one machine, over so many positions. Over more positions, the sums
of a computation that is not quantised drift further apart, so that a figure says less of them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from parity.outputs.distances import PRINTED
from parity.reading.facts import facts_in
from parity.records import Identity, Span

WHOLE = {"F32"}
HALVES = {"F32", "F16", "BF16"}
"""Types of tensors that are not quantised."""

SAME_F32 = 2e-5
"""Largest |Δ log p| between llama.cpp with an F32 cache, in batches of 8 and 512, and MLX in F32, on the same F32
weights (four tiny Qwen3 and four tiny Llamas, 128 greedy tokens of each). It was the first token of one of them, and
the others differed by 2e-6 at most; a forward in f64 differed from both by less. Over 8 tokens of another, llama.cpp,
MLX and NumPy in F32 differed by 1e-5."""

GELU_TABLE = 7.3e-3
"""llama.cpp with an F32 cache on a CPU, where it takes GELU from a table of F16, against Candle and a forward in f64,
on the same F32 weights (six tiny Gemma 3, 120 to 150 positions of each)."""

F16_CACHE = 5.6e-3
"""llama.cpp with the F16 cache that it has by default, against itself with an F32 cache and against MLX, on the same
F32 weights (a tiny Llama and a tiny Qwen3, some 150 positions each). Over 8 tokens it was 1.5e-3, and one batch of 27
tokens against 27 batches of one differed by 1e-3."""

FLASH = 7e-3
"""The same with llama.cpp's fused attention."""

Q8_CACHE = 2e-2
"""The same with a cache of type q8_0, over 8 tokens."""

HALF = 2.5e-2
"""MLX in BF16 against F32, over 8 tokens."""

SHORT, LONG = 8, 150
"""Over how many positions these were measured."""

ALIKE = 1e-3
"""One engine that runs twice, set up alike, computes the same. llama.cpp differs from itself by this where it computes
27 tokens in one batch and in 27, which is more than a GPU's order of sums brings."""

FOUR_BITS = Span(mean_kl=0.0043, p99_kl=0.059, delta=0.47)
"""The largest of each figure on SmolLM2 135M in Q4_1, between llama.cpp with an F16 cache and llama.cpp with an F32
cache or fused attention, and MLX, over 48 to 148 positions of three prompts. llama.cpp quantises activations, so that
any small difference moves some of them by a step: with an F32 cache it differs from itself as much as from MLX, which
dequantises weights. Candle in Q4_1, and all of these in Q4_0, lie closer together."""

QUANTISED = Span(mean_kl=0.0092, p99_kl=0.084, delta=0.61)
"""The same in Q8_0 and Q4_K_M (most tensors in Q5_0, which MLX doesn't read), over 84 to 127 positions of six prompts,
between llama.cpp and llama.cpp with an F32 cache, fused attention, batches of 1 and 8 or no extra buffers, MLX and
Candle. It also stands for what was not measured."""

MEASURED = {"Q4_0": FOUR_BITS, "Q4_1": FOUR_BITS}
"""Type of most of the quantised tensors → what honest engines differ by, where that is less than the largest."""


@dataclass(frozen=True)
class Floor:
    """What honest engines differ by. `positions`: over how many it was measured; None where it does not grow with them,
    since steps of quantised activations are as large everywhere."""

    span: Span
    source: str
    positions: int | None = None

    def over(self, positions: int) -> Span:
        """What they may differ by over so many positions: in proportion to these beyond the measured ones. That is
        more than the one growth that was measured (3.7 times from 8 to 150), so that it excuses and never passes."""
        if self.positions is None or positions <= self.positions:
            return self.span
        return of_largest(self.span.delta * positions / self.positions)


def floor_of(quantisation: Mapping[str, int], sides: Iterable[Identity | None]) -> Floor:
    """The default for two sides on the same weights, and what it was measured on. What a side doesn't report counts as
    the less exact of what engines do."""
    kinds = set(quantisation)
    reported = [facts_in(side.settings) if side is not None else {} for side in sides]
    found = [floor for facts in reported for floor in _of_cache(facts.get("kv_type", "f16"))]
    if not kinds or kinds - HALVES:
        return max([_of_quantised(quantisation), *found], key=lambda floor: floor.span.delta)
    found.append(of_f32(reported))
    if any(facts.get("flash_attention") == "on" for facts in reported):
        found.append(Floor(of_largest(FLASH), "measured with fused attention on the same F32 weights", LONG))
    if kinds - WHOLE or any(facts.get("activation_dtype") in ("f16", "bf16") for facts in reported):
        found.append(Floor(of_largest(HALF), "measured with BF16 activations against F32", SHORT))
    return max(found, key=lambda floor: floor.span.delta)


def of_f32(reported: Iterable[Mapping[str, str]]) -> Floor:
    """What engines that compute F32 weights in F32 throughout differ by, by the facts that they report."""
    if any("gelu" in facts for facts in reported):
        return Floor(of_largest(GELU_TABLE), "measured with GELU from a table of F16 on the same F32 weights", LONG)
    return Floor(of_largest(SAME_F32), "measured between llama.cpp, MLX and NumPy on the same F32 weights", SHORT)


def _of_quantised(quantisation: Mapping[str, int]) -> Floor:
    # Of as many of two types, the one that was not measured to differ by less.
    order = {kind: (count, kind not in MEASURED, kind) for kind, count in quantisation.items() if kind not in HALVES}
    most = max(order, key=lambda kind: order[kind], default="")
    if most in MEASURED:
        return Floor(
            MEASURED[most], "measured between llama.cpp, llama.cpp set up otherwise, and MLX on the same Q4_1 weights"
        )
    engines = "llama.cpp, llama.cpp set up otherwise, Candle and MLX"
    return Floor(QUANTISED, f"measured between {engines} on the same Q8_0 and Q4_K_M weights")


def _of_cache(kind: str) -> Iterator[Floor]:
    """Of a cache of keys and values: `f16`, `q8_0`, `8 bits in groups of 64`. One of a kind that was not measured
    counts as quantised weights do."""
    if kind == "f32":
        return
    if kind == "f16":
        yield Floor(of_largest(F16_CACHE), "measured with an F16 key-value cache on the same F32 weights", LONG)
    elif kind == "bf16":
        yield Floor(of_largest(HALF), "measured with BF16 activations against F32", SHORT)
    elif re.match(r"q8|int8|8 bits", kind):
        yield Floor(of_largest(Q8_CACHE), "measured with a key-value cache of type q8_0 on the same F32 weights", SHORT)
    else:
        yield Floor(QUANTISED, f"measured on quantised weights, since a cache of {kind} was not measured")


def of_largest(delta: float) -> Span:
    """Where no probability differs by more than a factor e^±δ, KL is at most δ² ÷ 2 (Bun and Steinke, Concentrated
    Differential Privacy, 2016, proposition 1.4). Printed digits add to it."""
    divergence = delta**2 / 2 + PRINTED
    return Span(mean_kl=divergence, p99_kl=divergence, delta=delta)
