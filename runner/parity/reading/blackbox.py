"""What can be measured of a program that shows text but no token's instant. Pure.

Visible text is no token: it may be held back until the end, and one piece may hold many tokens.
"""

import itertools
from collections.abc import Callable, Iterator

from parity.reading.timeline import NS, Timeline, absent, had, span
from parity.records import Measurement

CountTokens = Callable[[str], int]
"""Number of tokens of a text by the model's own tokenizer, special tokens recognised."""

ONE_BURST_S = 0.005
"""Text that arrives within this is one burst: its arrival says nothing of how it was generated."""

LONGEST_PAUSE = 0.5
"""Of the time from the first chunk to the last: text with a longer pause in it came in bursts."""

LEAST_SHARE = 0.05
"""Of the time from the start of prefill to the last chunk: text that takes less may have been held back."""


def without_stamps(timeline: Timeline, count_tokens: CountTokens | None) -> Iterator[Measurement]:
    """Count, first text, rate by chunks and total of a trial without token stamps; nothing of one that has them."""
    if timeline.tokens or not timeline.chunks:
        return
    t0, chunks = timeline.phase("prefill", "begin"), timeline.chunks
    if timeline.counted is not None:
        yield had("generated_tokens", timeline.counted, "runtime-count", "reported")
    if count_tokens is not None:
        text = "".join(chunk.text for chunk in chunks)
        yield had("generated_tokens", count_tokens(text), "retokenised-text", "derived")
    yield span("ttft_s", "first-chunk", t0, chunks[0].t_ns, "the start of prefill", "a first text")
    yield _chunk_rate(timeline, count_tokens)
    end = timeline.phase("generate", "end")
    yield span("total_s", "start-to-end", t0, end, "the start of prefill", "the end of generation")


def _chunk_rate(timeline: Timeline, count_tokens: CountTokens | None) -> Measurement:
    first, *rest = timeline.chunks
    if count_tokens is None:
        return absent("gen_tps", "there is no tokenizer to count the tokens of its text", "chunk-interval")
    whole_ns = rest[-1].t_ns - first.t_ns if rest else 0
    if whole_ns * NS < ONE_BURST_S:
        return absent("gen_tps", "all text came in one burst", "chunk-interval")
    if len(timeline.chunks) == 2:
        return absent("gen_tps", "two pieces of text say nothing of a rate", "chunk-interval")
    pause_ns = max(later.t_ns - earlier.t_ns for earlier, later in itertools.pairwise(timeline.chunks))
    if pause_ns > LONGEST_PAUSE * whole_ns:
        return absent("gen_tps", "the text came in bursts, not as it was generated", "chunk-interval")
    start = timeline.phase("prefill", "begin")
    if start is not None and whole_ns < LEAST_SHARE * (rest[-1].t_ns - start):
        return absent(
            "gen_tps",
            f"the text took under {LEAST_SHARE:.0%} of the time since prefill began: it may have been held back",
            "chunk-interval",
        )
    tokens = count_tokens("".join(chunk.text for chunk in rest))
    if tokens == 0:
        return absent("gen_tps", "the text after its first chunk holds no token", "chunk-interval")
    return had("gen_tps", tokens / (whole_ns * NS), "chunk-interval", "derived")
