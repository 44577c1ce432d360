"""The prompt: its length, the time to the first token, and the rate of prefill."""

from collections.abc import Iterator
from statistics import median

from parity.reading.metrics.spec import NS, Definition, MetricSpec, token_stamps
from parity.reading.metrics.text import no_first
from parity.reading.timeline import Timeline
from parity.records import Measurement

PREFILL_BEGINS = "the start of prefill"

PREFILL_SHORT_BUDGET = Definition(
    "prefill-short-budget",
    "P ÷ (T₁ − (N₁ − 1) ÷ gen_tps) of the shorter of two budgets; it includes the program's fixed work after the start "
    "mark, so it is a lower bound",
    bound="lower",
)
FIRST_TEXT = Definition(
    "first-text",
    "from the start of prefill to the first visible text, which the program stamps, of a text that came as it was "
    "generated",
)
PROMPT_TO_TEXT = Definition(
    "prompt-to-text",
    "P divided by the time from the start of prefill to the first visible text, of one that came as it was generated",
)
FIRST_CHUNK = Definition(
    "first-chunk",
    "from the start of prefill to the first visible text, which the program may have held back: an upper bound",
    bound="upper",
)
STEADY_STATE = Definition(
    "steady-state",
    "P divided by the median time of further prefills of the same prompt in the same process, each with an empty cache "
    "and up to a first token, after generation is over",
    row="Steady Prompt Processing",
)
FIRST_TOKEN_MARK = Definition(
    "first-token-mark",
    "from the start of prefill to the line or text by which the program shows its first token, which it may have held "
    "back: an upper bound",
    bound="upper",
)

PROMPT_TPS = MetricSpec(
    name="prompt_tps",
    title="Prompt Processing",
    unit="token/s",
    better="higher",
    meaning="P ÷ (t1 − t0), the first forward pass of a fresh process: what the first user waits for, and on a GPU "
    "mostly one-time work. The steady state is that of later prompts",
    definitions=(
        token_stamps("P divided by the time from the start of prefill to the stamp of the first token"),
        STEADY_STATE,
        PROMPT_TO_TEXT,
        PREFILL_SHORT_BUDGET,
    ),
    scale="ratio",
    shown="headline",
    depends_on_prompt=True,
    depends_on_count=False,
)
TTFT = MetricSpec(
    name="ttft_s",
    title="First Token Latency",
    unit="s",
    better="lower",
    meaning="time to first token (TTFT), t1 − t0",
    definitions=(
        token_stamps("from the start of prefill to the stamp of the first token"),
        FIRST_TEXT,
        FIRST_TOKEN_MARK,
        FIRST_CHUNK,
    ),
    scale="ratio",
    shown="always",
    depends_on_prompt=True,
    depends_on_count=False,
)
PROMPT_TOKENS = MetricSpec(
    name="prompt_tokens",
    title="Prompt Tokens",
    unit="tokens",
    better=None,
    meaning="P, as the runtime tokenised the prompt",
    definitions=(
        Definition("prompt-ids", "number of token ids of the prompt"),
        Definition("prompt-count", "the number that the runtime reported, without the ids"),
    ),
    scale="difference",
    shown="measured",
    depends_on_prompt=True,
    depends_on_count=False,
)
METRICS = (PROMPT_TPS, TTFT, PROMPT_TOKENS)


def measure(timeline: Timeline) -> Iterator[Measurement]:
    """Latency, rate and length of one trial's prompt; of a program that shows text only, the latency of its text."""
    tokens = timeline.tokens
    t0, t1 = timeline.phase("prefill", "begin"), tokens[0].t_ns if tokens else None
    first = TTFT.span("token-stamps", t0, t1, PREFILL_BEGINS, "a first token")
    yield first
    marked = timeline.phase("prefill", "end")
    if not tokens and marked is not None:
        yield TTFT.span(FIRST_TOKEN_MARK.id, t0, marked, PREFILL_BEGINS, "the mark of the first token")
    if not tokens and timeline.chunks:
        yield TTFT.span(FIRST_CHUNK.id, t0, timeline.chunks[0].t_ns, PREFILL_BEGINS, "a first text")
    text = _first_text(timeline)
    if text is not None:
        yield text
    count = timeline.prompt_tokens
    if count is None:
        yield PROMPT_TOKENS.absent("the runtime did not show the tokens of its prompt", "prompt-ids")
        yield PROMPT_TPS.absent("the number of prompt tokens is not known", "token-stamps")
        return
    shown = timeline.prompt is not None and timeline.prompt.ids is not None
    yield PROMPT_TOKENS.value(count, "prompt-ids" if shown else "prompt-count")
    if first.value is None:
        yield PROMPT_TPS.absent(first.reason or "", "token-stamps")
    elif count == 0:
        yield PROMPT_TPS.absent("the prompt has no tokens", "token-stamps")
    else:
        yield PROMPT_TPS.value(count / first.value, "token-stamps", "derived")
    if count and text is not None:
        yield _prompt_to_text(count, text)
    if count and (further := timeline.further_prefills_ns):
        note = None if len(further) > 1 else "of one further prefill"
        yield PROMPT_TPS.value(count / (median(further) * NS), STEADY_STATE.id, "derived", note)


def _first_text(timeline: Timeline) -> Measurement | None:
    """None of a program whose text in pieces is not known, or may have been kept in a buffer."""
    if not timeline.visible or not timeline.stamps_itself:
        return None
    if (reason := no_first(timeline)) is not None:
        return TTFT.absent(reason, FIRST_TEXT.id)
    t0 = timeline.phase("prefill", "begin")
    return TTFT.span(FIRST_TEXT.id, t0, timeline.visible[0].t_ns, PREFILL_BEGINS, "a first text")


def _prompt_to_text(count: int, text: Measurement) -> Measurement:
    if text.value is None:
        return PROMPT_TPS.absent(text.reason or "", PROMPT_TO_TEXT.id)
    return PROMPT_TPS.value(count / text.value, PROMPT_TO_TEXT.id, "derived")
