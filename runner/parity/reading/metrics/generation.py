"""Generation: the number of tokens, their rate, the gaps between them, and the total time.

Of a program that shows text but no single token, the rate is that of its text. Visible text is not a token: a program
may hold it back until the end, and one piece may hold many tokens.
"""

import itertools
from collections.abc import Iterator, Sequence

from parity.reading.metrics.prompt import PREFILL_BEGINS
from parity.reading.metrics.spec import NS, Definition, MetricSpec, token_stamps
from parity.reading.timeline import Timeline
from parity.records import Measurement
from parity.stats import quantile

ONE_BURST_S = 0.005
"""Text that arrives within this time is one burst: its arrival does not show how it was generated."""

LONGEST_PAUSE = 0.5
"""Of the time from the first chunk to the last: text with a longer pause in it came in bursts."""

LEAST_SHARE = 0.05
"""Of the time from the start of prefill, or from an earlier mark of a program that does not show it, to the last chunk:
text that takes less may have been held back."""

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
    definitions=(token_stamps("median of the gaps between the stamps of consecutive tokens"),),
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
    definitions=(token_stamps("95th percentile of the gaps between the stamps of consecutive tokens"),),
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
    """The generation of one trial, from its tokens, or from its text where it shows no token."""
    yield from _from_tokens(timeline)
    if not timeline.tokens and timeline.chunks:
        yield from _from_text(timeline)


def _from_tokens(timeline: Timeline) -> Iterator[Measurement]:
    tokens = timeline.tokens
    if not tokens:
        for metric in _FROM_TOKENS:
            yield metric.absent("the program did not show single tokens", "token-stamps")
        return
    yield GENERATED_TOKENS.value(len(tokens), "token-stamps")
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
    if timeline.counted is not None:
        yield GENERATED_TOKENS.value(timeline.counted, "runtime-count", "reported")
    if timeline.count_tokens is not None:
        text = "".join(chunk.text for chunk in timeline.chunks)
        yield GENERATED_TOKENS.value(timeline.count_tokens(text), "retokenised-text", "derived")
    yield _chunk_rate(timeline)
    t0, end = timeline.phase("prefill", "begin"), timeline.phase("generate", "end")
    yield TOTAL.span(START_TO_TEXT, t0, end, PREFILL_BEGINS, "the end of generation")


def _chunk_rate(timeline: Timeline) -> Measurement:
    reason = _no_chunk_rate(timeline)
    if reason is not None or timeline.count_tokens is None:
        return GEN_TPS.absent(reason or "", CHUNKS.id)
    first, *rest = timeline.chunks
    tokens = timeline.count_tokens("".join(chunk.text for chunk in rest))
    if tokens == 0:
        return GEN_TPS.absent("the text after its first chunk holds no token", CHUNKS.id)
    return GEN_TPS.value(tokens / ((rest[-1].t_ns - first.t_ns) * NS), CHUNKS.id, "derived")


def _no_chunk_rate(timeline: Timeline) -> str | None:
    """Why the arrival of the text does not show the rate at which it was generated."""
    if timeline.count_tokens is None:
        return "there is no tokenizer to count the tokens of its text"
    stamps = [chunk.t_ns for chunk in timeline.chunks]
    whole_ns = stamps[-1] - stamps[0]
    if whole_ns * NS < ONE_BURST_S:
        return "all text came in one burst"
    if len(stamps) == 2:
        return "two pieces of text are too few for a rate"
    if max(later - earlier for earlier, later in itertools.pairwise(stamps)) > LONGEST_PAUSE * whole_ns:
        return "the text came in bursts, not as it was generated"
    start, name = timeline.work_began
    if start is not None and whole_ns < LEAST_SHARE * (stamps[-1] - start):
        share = f"{LEAST_SHARE:.0%} of the time since {name}"
        return f"the text took less than {share}: the program may have held it back"
    return None
