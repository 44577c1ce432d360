"""How far apart honest engines may lie: what the other runtimes of the run show, and defaults by numeric class. Pure.

The defaults are the largest differences that were measured between engines that are not at fault, each on one model and
one machine. So one and a half times of a default passes, and only three times of it is called drift; between the two
nothing is decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from parity.outputs.distances import PRINTED, distances
from parity.reading.facts import facts_in
from parity.records import Distances, Identity, Scored, Span, Tolerance

PASSES = 1.5
BLAMED = 3.0
"""Multiples of a floor. Over texts of some hundred tokens, the mean varies by half and the largest more."""

WHOLE = {"F32"}
HALVES = {"F32", "F16", "BF16"}
"""Types of tensors that are not quantised."""

SAME_F32 = 1e-5
"""Largest |Δ log p| between llama.cpp with an F32 cache, MLX in F32 and NumPy in F32, on the same F32 weights (a tiny
Qwen3, 8 greedy tokens). llama.cpp and MLX alone differed by 5e-6."""

F16_CACHE = 5.6e-3
"""llama.cpp with the F16 cache that it has by default, against itself with an F32 cache and against MLX, on the same
F32 weights (a tiny Llama and a tiny Qwen3, some 150 positions each). Over 8 tokens it was 1.5e-3, and one batch of 27
tokens against 27 batches of one differed by 1e-3."""

FLASH = 7e-3
"""The same with llama.cpp's fused attention."""

Q8_CACHE = 2e-2
"""The same with a cache of type q8_0, over 8 tokens."""

HALF = 2.5e-2
"""MLX in BF16 against F32."""

ALIKE = 1e-3
"""One engine that runs twice, set up alike, computes the same. llama.cpp differs from itself by this where it computes
27 tokens in one batch and in 27, which is more than a GPU's order of sums brings."""

QUANTISED = Span(mean_kl=0.0043, p99_kl=0.059, delta=0.47)
"""The largest of each figure on the same Q4_1 weights of SmolLM2 135M, over 48 to 148 positions of three prompts,
between llama.cpp with an F16 cache, with an F32 cache and with fused attention, and MLX. llama.cpp quantises
activations, so that any small difference moves some of them by a step: with an F32 cache it differs from itself as much
(0.0035, 0.059) as from MLX, which dequantises weights (0.0033, 0.036). Batches of one against 512 differ by 0.0030 and
0.016, over 122 positions of a text."""


def floor_of(quantisation: Mapping[str, int], sides: Iterable[Identity | None]) -> tuple[Span, str]:
    """The default for two sides on the same weights, and what it was measured on. What a side doesn't report counts as
    the less exact of what engines do."""
    kinds = set(quantisation)
    if not kinds or kinds - HALVES:
        return QUANTISED, "measured between llama.cpp, llama.cpp set up otherwise, and MLX on the same Q4_1 weights"
    reported = [facts_in(side.settings) if side is not None else {} for side in sides]
    caches = {facts.get("kv_type", "f16") for facts in reported}
    found = [(SAME_F32, "measured between llama.cpp, MLX and NumPy on the same F32 weights")]
    if caches != {"f32"}:
        found.append((F16_CACHE, "measured with an F16 key-value cache on the same F32 weights"))
    if any(kind.startswith(("q", "i")) for kind in caches):
        found.append((Q8_CACHE, "measured with a key-value cache of type q8_0 on the same F32 weights"))
    if any(facts.get("flash_attention") == "on" for facts in reported):
        found.append((FLASH, "measured with fused attention on the same F32 weights"))
    if kinds - WHOLE or any(facts.get("activation_dtype") in ("f16", "bf16") for facts in reported):
        found.append((HALF, "measured with BF16 activations against F32"))
    delta, source = max(found)
    return of_largest(delta), source


def of_largest(delta: float) -> Span:
    """Where no probability differs by more than a factor e^±δ, KL is at most δ² ÷ 2 (Bun and Steinke, Concentrated
    Differential Privacy, 2016, proposition 1.4). Printed digits add to it."""
    divergence = delta**2 / 2 + PRINTED
    return Span(mean_kl=divergence, p99_kl=divergence, delta=delta)


def tolerance_of(floor: Span, source: str, references: Mapping[str, Sequence[Scored]], prompt_tokens: int) -> Tolerance:
    """`references`: the other runtimes that scored the sequence, the baseline first.

    Distances between two of them that are no drift by the default widen what passes. Larger ones don't: one of the two
    is at fault, and it is not known which, so that they raise what is called drift alone. None narrow anything: two
    runtimes that compute alike lie closer together than honest ones that don't."""
    pairs = {
        f"{one} and {other}": _span(distances(references[one], references[other], prompt_tokens))
        for one, other in combinations(references, 2)
    }
    passes, drift = _times(floor, PASSES), _times(floor, BLAMED)
    honest = {pair: span for pair, span in pairs.items() if multiple(span, drift) <= 1}
    allowed, said = _largest([passes, *honest.values()]), f"{PASSES:g} times the difference {source}"
    if allowed != passes:
        said = f"the larger of {said}, and of that between other runtimes of this run on the same ids"
    return Tolerance(
        allowed=allowed,
        blamed=_times(_largest([floor, *pairs.values()]), BLAMED),
        source=said,
        floor=floor,
        references=_largest(list(pairs.values())) if pairs else None,
        farthest=max(pairs, key=lambda pair: multiple(pairs[pair], floor), default=None),
    )


def tolerance_alike(floor: Span) -> Tolerance:
    """Of one engine that is set up alike on both sides: what different engines differ by excuses nothing there.
    `floor`: the default for its numeric class."""
    span = min(of_largest(ALIKE), floor, key=lambda span: span.delta)
    source = f"{PASSES:g} times what one engine that is set up alike differs from itself by"
    return Tolerance(allowed=_times(span, PASSES), blamed=_times(span, BLAMED), source=source, floor=floor)


def multiple(found: Distances | Span, of: Span) -> float:
    """The largest of the figures in multiples of what is allowed."""
    span = _span(found) if isinstance(found, Distances) else found
    return max(span.mean_kl / of.mean_kl, span.p99_kl / of.p99_kl, span.delta / of.delta)


def _span(found: Distances) -> Span:
    return Span(mean_kl=found.mean_kl, p99_kl=found.p99_kl, delta=found.largest_delta)


def _largest(spans: Sequence[Span]) -> Span:
    """The largest of each figure."""
    return Span(
        mean_kl=max(span.mean_kl for span in spans),
        p99_kl=max(span.p99_kl for span in spans),
        delta=max(span.delta for span in spans),
    )


def _times(span: Span, factor: float) -> Span:
    return Span(mean_kl=span.mean_kl * factor, p99_kl=span.p99_kl * factor, delta=span.delta * factor)
