"""What can be measured of a program that shows text but no token's instant. Pure.

Visible text is no token: it may be held back until the end, and one piece may hold many tokens.
"""

from collections.abc import Callable, Iterator

from parity.records import Measurement
from parity.timeline import NS, Timeline, absent, had, span

CountTokens = Callable[[str], int]
"""Number of tokens of a text by the model's own tokenizer, special tokens recognised."""

ONE_BURST_S = 0.005
"""Text that arrives within this is one burst: its arrival says nothing of how it was generated."""


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
    if not rest or (rest[-1].t_ns - first.t_ns) * NS < ONE_BURST_S:
        return absent("gen_tps", "all text came in one burst", "chunk-interval")
    tokens = count_tokens("".join(chunk.text for chunk in rest))
    if tokens == 0:
        return absent("gen_tps", "the text after its first chunk holds no token", "chunk-interval")
    return had("gen_tps", tokens / ((rest[-1].t_ns - first.t_ns) * NS), "chunk-interval", "derived")
