"""Generation: the number of tokens, their rate, the gaps between them, and the total time.

Of a program that shows text but no single token, the rate is that of its text. Visible text is not a token: a program
may hold it back until the end, and one piece may hold many tokens.
"""

import itertools
from collections.abc import Iterator, Sequence

from parity.reading.metrics.prompt import PREFILL_BEGINS
from parity.reading.metrics.spec import NS, Definition, MetricSpec, token_stamps
from parity.reading.metrics.text import MASKED, no_flow
from parity.reading.timeline import Timeline
from parity.records import Measurement
from parity.redaction import REDACTED
from parity.stats import quantile

FEWEST_GAPS_FOR_P95 = 20
"""With fewer gaps, the 95th percentile is just the largest value."""

FEWEST_GAPS_FOR_HALVES = 8
"""With fewer gaps, one of them decides the rate of a half."""

TWO_BUDGETS = Definition(
    "two-budgets", "(N₂ − N₁) ÷ (T₂ − T₁) of two trials in one round that differ only in their token budget"
)
CHUNKS = Definition(
    "chunk-interval",
    "tokens in the text after its first chunk, divided by the time from the first chunk to the last; the program may "
    "hold text back, so the first and last chunk are not the first and last token",
)
START_TO_TEXT = "start-to-text"
TEXT_GAPS = "text-gaps"

ONE_TOKEN_EACH = 0.9
"""Pieces of text for each of its tokens, at least: with fewer, the gaps between pieces are not those between tokens."""


def rate(gaps_ns: Sequence[int]) -> float | None:
    """Tokens per second over all gaps."""
    return len(gaps_ns) / (sum(gaps_ns) * NS) if sum(gaps_ns) > 0 else None


def late_rate(gaps_ns: Sequence[int]) -> float | None:
    """Tokens per second over the later half of the gaps."""
    return rate(gaps_ns[len(gaps_ns) // 2 :]) if len(gaps_ns) >= FEWEST_GAPS_FOR_HALVES else None


def median_gap(gaps_ns: Sequence[int]) -> float | None:
    """The median gap, where the gaps have a length."""
    return quantile([gap * NS for gap in gaps_ns], 0.5) if sum(gaps_ns) > 0 else None


def long_gap(gaps_ns: Sequence[int]) -> float | None:
    """The 95th percentile of the gaps."""
    enough = len(gaps_ns) >= FEWEST_GAPS_FOR_P95 and sum(gaps_ns) > 0
    return quantile([gap * NS for gap in gaps_ns], 0.95) if enough else None


GEN_TPS = MetricSpec(
    name="gen_tps",
    title="Token Generation",
    unit="token/s",
    better="higher",
    meaning="(N − 1) ÷ (tN − t1)",
    definitions=(
        token_stamps("N − 1 divided by the time from the first token's stamp to the last token's"),
        TWO_BUDGETS,
        CHUNKS,
    ),
    scale="ratio",
    shown="headline",
    depends_on_prompt=True,
    depends_on_count=False,
    of_gaps=rate,
)
LATE_GEN_TPS = MetricSpec(
    name="gen_late_tps",
    title="Generation, Later Half",
    unit="token/s",
    better="higher",
    meaning="`gen_tps` over the later half of the tokens: without what only the first steps of a process do, such as "
    "the capture of CUDA graphs",
    definitions=(token_stamps("number of gaps in the later half of all gaps, divided by the time that they take"),),
    scale="ratio",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
    of_gaps=late_rate,
)
TOTAL = MetricSpec(
    name="total_s",
    title="Total Time",
    unit="s",
    better="lower",
    meaning="t0 → tN",
    definitions=(
        token_stamps("from the start of prefill to the stamp of the last token"),
        Definition(
            START_TO_TEXT,
            "from the start of prefill until the whole text is there, the conversion of tokens to text included; and "
            "with it the printing, of a program that prints as it generates",
        ),
    ),
    scale="ratio",
    shown="always",
    depends_on_prompt=True,
    depends_on_count=True,
)
ITL_P50 = MetricSpec(
    name="itl_p50_s",
    title="Token Gap p50",
    unit="s",
    better="lower",
    meaning="median gap between consecutive tokens",
    definitions=(
        token_stamps("median of the gaps between the stamps of consecutive tokens"),
        Definition(
            TEXT_GAPS,
            "median of the gaps between consecutive pieces of visible text, which hold about a token each",
        ),
    ),
    scale="ratio",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
    of_gaps=median_gap,
)
ITL_P95 = MetricSpec(
    name="itl_p95_s",
    title="Token Gap p95",
    unit="s",
    better="lower",
    meaning="95th percentile of the gaps between consecutive tokens",
    definitions=(
        token_stamps("95th percentile of the gaps between the stamps of consecutive tokens"),
        Definition(
            TEXT_GAPS,
            "95th percentile of the gaps between consecutive pieces of visible text, which hold about a token each",
        ),
    ),
    scale="ratio",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
    of_gaps=long_gap,
)
GENERATED_TOKENS = MetricSpec(
    name="generated_tokens",
    title="Generated Tokens",
    unit="tokens",
    better=None,
    meaning="N, end token included",
    definitions=(
        token_stamps("number of stamped tokens"),
        Definition("runtime-count", "the runtime's own count, corrected for what it leaves out"),
        Definition("retokenised-text", "number of tokens of the generated text, tokenised again"),
    ),
    scale="difference",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
)
SAMPLING_SHARE = MetricSpec(
    name="sampling_share",
    title="Sampling in Generation",
    unit="share",
    better=None,
    meaning="the share of the time from t1 to tN in which the next token is chosen, which `gen_tps` includes",
    definitions=(Definition("sampling-time", "the time that the choice of tokens 2 to N took, divided by tN − t1"),),
    scale="difference",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
)
METRICS = (GEN_TPS, SAMPLING_SHARE, LATE_GEN_TPS, TOTAL, ITL_P50, ITL_P95, GENERATED_TOKENS)

_FROM_GAPS = (GEN_TPS, LATE_GEN_TPS, ITL_P50, ITL_P95)
_FROM_TOKENS = (GENERATED_TOKENS, *_FROM_GAPS, TOTAL)


def measure(timeline: Timeline) -> Iterator[Measurement]:
    """The generation of one trial, from its tokens, and from its text."""
    yield from _from_tokens(timeline)
    if timeline.visible:
        yield from _from_text(timeline)
    if timeline.tokens:
        return
    if timeline.counted is not None:
        yield GENERATED_TOKENS.value(timeline.counted, "runtime-count", "reported")
    end = timeline.phase("generate", "end")
    if timeline.chunks or end is not None:
        t0 = timeline.phase("prefill", "begin")
        yield TOTAL.span(START_TO_TEXT, t0, end, PREFILL_BEGINS, "the end of generation")


def _from_tokens(timeline: Timeline) -> Iterator[Measurement]:
    tokens = timeline.tokens
    if not tokens:
        for metric in _FROM_TOKENS:
            yield metric.absent("the program did not show single tokens", "token-stamps")
        return
    yield GENERATED_TOKENS.value(len(tokens), "token-stamps")
    yield GENERATED_TOKENS.value(len(tokens), "runtime-count")
    for metric in _FROM_GAPS:
        yield _of_gaps(metric, timeline.gaps_ns)
    if timeline.sampling_s is not None and (whole_ns := sum(timeline.gaps_ns)) > 0:
        yield SAMPLING_SHARE.value(timeline.sampling_s / (whole_ns * NS), "sampling-time", "derived")
    t0 = timeline.phase("prefill", "begin")
    yield TOTAL.span("token-stamps", t0, tokens[-1].t_ns, PREFILL_BEGINS, "a last token")
    yield TOTAL.span(START_TO_TEXT, t0, timeline.text_ns, PREFILL_BEGINS, "when its text was there")


def _of_gaps(metric: MetricSpec, gaps_ns: Sequence[int]) -> Measurement:
    assert metric.of_gaps is not None, "a rate or a gap"
    value = metric.of_gaps(gaps_ns)
    if value is not None:
        return metric.value(value, "token-stamps", "derived")
    return metric.absent(why_no_gaps(metric, gaps_ns), "token-stamps")


def why_no_gaps(metric: MetricSpec, gaps_ns: Sequence[int]) -> str:
    """Why a rate or a gap can't be computed from these gaps between tokens."""
    if not gaps_ns:
        return "one token has no interval"
    if sum(gaps_ns) <= 0:
        return "all tokens have the same time stamp"
    return f"{len(gaps_ns)} gaps are too few for {'a 95th percentile' if metric is ITL_P95 else 'two halves'}"


def _from_text(timeline: Timeline) -> Iterator[Measurement]:
    text = "".join(chunk.text for chunk in timeline.visible)
    if timeline.count_tokens is not None and REDACTED in text:
        yield GENERATED_TOKENS.absent(MASKED, "retokenised-text")
    elif timeline.count_tokens is not None:
        yield GENERATED_TOKENS.value(timeline.count_tokens(text), "retokenised-text", "derived")
    yield _chunk_rate(timeline)
    if timeline.stamps_itself:
        yield from _text_gaps(timeline, text)


def _chunk_rate(timeline: Timeline) -> Measurement:
    reason = no_flow(timeline)
    if reason is not None or timeline.count_tokens is None:
        return GEN_TPS.absent(reason or "", CHUNKS.id)
    first, *rest = timeline.visible
    tokens = timeline.count_tokens("".join(chunk.text for chunk in rest))
    if tokens == 0:
        return GEN_TPS.absent("the text after its first chunk holds no token", CHUNKS.id)
    return GEN_TPS.value(tokens / ((rest[-1].t_ns - first.t_ns) * NS), CHUNKS.id, "derived")


def _text_gaps(timeline: Timeline, text: str) -> Iterator[Measurement]:
    gaps_ns = [later.t_ns - earlier.t_ns for earlier, later in itertools.pairwise(timeline.visible)]
    reason = no_flow(timeline)
    if reason is None and timeline.count_tokens is not None:
        tokens, pieces = timeline.count_tokens(text), len(timeline.visible)
        if pieces < ONE_TOKEN_EACH * tokens:
            reason = f"its text of {tokens} tokens came in {pieces} pieces, whose gaps are not those between tokens"
    for metric in (ITL_P50, ITL_P95):
        assert metric.of_gaps is not None, "a gap"
        value = metric.of_gaps(gaps_ns) if reason is None else None
        if value is not None:
            yield metric.value(value, TEXT_GAPS, "derived")
        else:
            yield metric.absent(reason or why_no_gaps(metric, gaps_ns), TEXT_GAPS)
