"""Whether the stamps of a trial's tokens can be the instants at which the tokens were there. Pure.

A worker stamps its tokens itself, and parity reads the stamps as they are. A program that stamps tokens when it hands
them on, or when it hands work to a device, shows a rate at which nothing was computed. Its own stamps and the arrival
of its output contradict it. What is beyond doubt counts at once. What a machine that is busy for an instant can show
too is a weak doubt: it counts where trials of the cell show it again and again.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from parity.adapter.events import Hello, Settings, Text
from parity.reading import arrivals
from parity.reading.devices import device_class
from parity.reading.metrics.text import no_flow
from parity.reading.timeline import Timeline
from parity.records import Cell, Departure, ModelFacts, Scalar, Trial
from parity.units import format_value

FEWEST_TOKENS = 3
"""With fewer, there is no rate that a gate could rest on."""

FASTEST_S = 20e-6
"""A token of a model of more than `TOY_BYTES` takes longer everywhere: a single kernel takes some 5 µs to start, and a
model has tens of them."""

TOY_BYTES = 1_000_000
FASTEST_BYTES_S = 100e12
"""Each token reads the weights once. Eight of the fastest accelerators of 2025 together read 64 TB/s."""

BURST_SHARE = 0.05
"""Of the time from the start of prefill to the last token: tokens that take less of it are a burst."""

PREFILL_SHARE = {"cpu": 20.0, "other": 200.0}
"""How much longer the first forward may take for a prompt token than a step takes for its token. Reading a prompt is
never slower for a token than generation is, but for what a process does once in its first forward: on a GPU that may
take seconds, on a CPU it is touching memory."""

BEYOND_DOUBT = 1000.0
"""The same, where no first forward and no busy machine explains it."""

ASSUMED_PROMPT = 1000
"""Prompt tokens of a program that does not say how many there were: few prompts of a benchmark are longer."""

BUNCHED = 0.05
"""Of the mean gap: tokens that are closer were stamped together."""

FEWEST_FOR_BUNCHES = 8
FIRST_BUNCH_SHARE = 0.1
"""Of all gaps: where more of them lie in the first bunch, what was computed before it makes the rate too high by as
much."""

LATE_GAPS = 2
"""Gaps that a loop may take for a step that it has begun and does not need."""

LATEST_S = 0.015
"""What decoding the text, figures of the runtime's own and a busy machine may take after the last token."""

AT_ONCE_S = 0.25
"""What keeps a program from the CPU for an instant may take this long on a busy machine. A trial that is later by more
is doubted for itself, whatever the other trials show."""

WEAK = "doubtful-stamps"
"""Fact of a weak doubt, until `systematic` takes it for what it is or leaves it out."""

FACT = "stamps"

SYSTEMATIC = 1 / 3
"""Of a cell's measured trials."""

FASTER = 1.5
"""How many times faster than by two budgets the stamps of every round may be. What scatters the difference of two
trials does not make it too slow in each round, and a cost that both trials have in common makes it faster."""

FEWEST_ROUNDS = 3

ALL = ("prompt_tps", "ttft_s", "gen_tps", "gen_late_tps", "itl_p50_s", "itl_p95_s", "gen_cores")
"""Metrics that rest on the stamps of tokens."""


def doubts(timeline: Timeline, model: ModelFacts) -> Iterator[Departure]:
    """What shows that the stamps of one trial are no instants of its tokens; nothing where they may be."""
    found = [*_by_stamps(timeline, model)]
    late = arrivals.doubt(timeline)
    if late is not None and not any(departure.fact == FACT for departure in found):
        of_arrival = Departure(fact=FACT if late.certain else WEAK, sentence=late.sentence, metrics=(*ALL, "total_s"))
        found = [of_arrival] if late.certain or not found else found
    yield from found


def _by_stamps(timeline: Timeline, model: ModelFacts) -> Iterator[Departure]:
    stamps = [token.t_ns for token in timeline.tokens]
    yield from _waited(timeline)
    if not stamps:
        yield from _of_text(timeline, model)
    if len(stamps) < FEWEST_TOKENS:
        return
    gap_s = (stamps[-1] - stamps[0]) / (len(stamps) - 1) * 1e-9
    if (fast := _too_fast(gap_s, model)) is not None:
        yield Departure(fact=FACT, sentence=fast, metrics=ALL)
    elif (burst := _burst(timeline, stamps, gap_s)) is not None:
        yield burst
    elif (bunch := _bunch(stamps, gap_s)) is not None:
        yield Departure(fact=WEAK, sentence=bunch, metrics=ALL)
    yield from _late(timeline, stamps, gap_s)


def _of_text(timeline: Timeline, model: ModelFacts) -> Iterator[Departure]:
    """Of text that the program stamps itself, and that has a rate."""
    stamps = [chunk.t_ns for chunk in timeline.chunks]
    if len(stamps) < FEWEST_TOKENS or not timeline.stamps_itself or no_flow(timeline) is not None:
        return
    assert timeline.count_tokens is not None, "text whose tokens nobody counts has no rate"
    tokens = timeline.count_tokens("".join(chunk.text for chunk in timeline.chunks[1:]))
    span_s = (stamps[-1] - stamps[0]) * 1e-9
    if tokens and (fast := _too_fast(span_s / tokens, model)) is not None:
        yield Departure(fact=FACT, sentence=fast, metrics=ALL)
    elif (bunch := _bunch(stamps, span_s / (len(stamps) - 1), "pieces of text")) is not None:
        yield Departure(fact=WEAK, sentence=bunch, metrics=ALL)


def systematic(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials with their weak doubts either as facts, where enough measured trials of a cell raise one, or left
    out."""
    measured: dict[Cell, list[bool]] = {}
    for trial in trials:
        if trial.is_measured and trial.failure is None:
            measured.setdefault(trial.cell, []).append(_is_doubtful(trial))
    kept = {cell for cell, doubtful in measured.items() if sum(doubtful) >= SYSTEMATIC * len(doubtful)}
    return tuple(_settled(trial, trial.cell in kept) if _is_doubtful(trial) else trial for trial in trials)


def contradicted(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The trials; those of a cell whose stamps show a rate that two budgets contradict in every round depart. The time
    of a trial as a whole can't be stamped away: a longer answer takes longer."""
    ratios: dict[Cell, list[float]] = {}
    for trial in trials:
        stamped, over_budgets = (trial.value("gen_tps", definition) for definition in ("token-stamps", "two-budgets"))
        if stamped and over_budgets and not trial.warmup:
            ratios.setdefault(trial.cell, []).append(stamped / over_budgets)
    found = {cell: min(of) for cell, of in ratios.items() if len(of) >= FEWEST_ROUNDS and min(of) > FASTER}
    return tuple(
        trial.departing(_contradiction(found[trial.cell])) if trial.cell in found else trial for trial in trials
    )


def _contradiction(ratio: float) -> Departure:
    sentence = (
        f"its stamps show a rate that is at least {ratio:.1f} times that of two budgets in every round: a longer "
        "answer took longer than they say"
    )
    return Departure(fact=FACT, sentence=sentence, metrics=ALL)


def _settled(trial: Trial, counts: bool) -> Trial:
    if counts:
        return trial.but(departures=tuple(d.but(fact=FACT) if d.fact == WEAK else d for d in trial.departures))
    return trial.but(departures=tuple(d for d in trial.departures if d.fact != WEAK))


def _is_doubtful(trial: Trial) -> bool:
    return any(departure.fact == WEAK for departure in trial.departures)


def _too_fast(gap_s: float, model: ModelFacts) -> str | None:
    reads_all = "moe" not in (model.architecture or "")
    least_s = max(
        FASTEST_S if model.size_bytes > TOY_BYTES else 0.0, model.size_bytes / FASTEST_BYTES_S if reads_all else 0.0
    )
    if gap_s >= least_s:
        return None
    size = format_value(model.size_bytes, "bytes")
    return f"its tokens are stamped {_short(gap_s)} apart, and no machine reads a model of {size} that fast"


def _burst(timeline: Timeline, stamps: Sequence[int], gap_s: float) -> Departure | None:
    """All tokens in one burst, after the time in which they were computed."""
    began, _ = timeline.work_began
    if began is None:
        return None
    first_s = (stamps[0] - began) * 1e-9
    count = timeline.prompt_tokens or ASSUMED_PROMPT
    limit = PREFILL_SHARE["cpu" if on_cpu(timeline) else "other"]
    span_s = gap_s * (len(stamps) - 1)
    if span_s > BURST_SHARE * (first_s + span_s) or first_s <= limit * count * gap_s:
        return None
    sentence = (
        f"its {len(stamps)} tokens are stamped within {_short(span_s)} after {_short(first_s)} "
        "without any: that is when it handed them on, not when it computed them"
    )
    beyond = first_s > BEYOND_DOUBT * count * gap_s
    return Departure(fact=FACT if beyond else WEAK, sentence=sentence, metrics=ALL)


def _bunch(stamps: Sequence[int], gap_s: float, what: str = "tokens") -> str | None:
    """The first tokens, or pieces of text, together: the time that it took to compute them lies before the stamps."""
    if len(stamps) < FEWEST_FOR_BUNCHES:
        return None
    together = 0
    for one, other in pairwise(stamps):
        if (other - one) * 1e-9 >= BUNCHED * gap_s:
            break
        together += 1
    if together < 2 or together <= FIRST_BUNCH_SHARE * (len(stamps) - 1):
        return None
    return (
        f"its first {together + 1} {what} are stamped together, so that the time in which it computed them is in no gap"
    )


def _waited(timeline: Timeline) -> Iterator[Departure]:
    """Time between the end of loading and the start of prefill, in which a program may compute what it stamps later.
    Where a program that stamps its answer itself does not say when it was loaded, no metric holds its load either."""
    shown, t0 = timeline.tokens or timeline.chunks, timeline.phase("prefill", "begin")
    marks = [("`ready`", timeline.phase("ready", "end"))]
    if timeline.stamps_itself:
        marks += [("the end of `weights`", timeline.phase("weights", "end")), ("its start", timeline.spawned)]
    name, since = next(((name, mark) for name, mark in marks if mark is not None), ("", None))
    if since is None or t0 is None or not shown:
        return
    waited_s, span_s = (t0 - since) * 1e-9, (shown[-1].t_ns - t0) * 1e-9
    if waited_s <= 0.1 * span_s + AT_ONCE_S:
        return
    strong = waited_s > 0.5 * span_s + 2 * AT_ONCE_S
    sentence = (
        f"it waited {_short(waited_s)} between {name} and the start of prefill, which no metric holds: `ready` has to "
        "be sent when the prompt is about to be read, and `prefill` begin at once"
    )
    yield Departure(fact=FACT if strong else WEAK, sentence=sentence, metrics=(*ALL, "total_s"))


def _late(timeline: Timeline, stamps: Sequence[int], gap_s: float) -> Iterator[Departure]:
    """Work that goes on after the last token: it was stamped before it was there."""
    until = _complete(timeline)
    if until is None:
        return
    late_s, span_s = (until - stamps[-1]) * 1e-9, (stamps[-1] - stamps[0]) * 1e-9
    beyond_s = late_s - LATE_GAPS * gap_s
    if beyond_s <= 0.1 * span_s + LATEST_S:
        return
    strong = beyond_s > 0.5 * span_s + AT_ONCE_S
    sentence = (
        f"its tokens are stamped within {_short(span_s)}, and it worked on for {_short(late_s)} before its output was "
        "complete: tokens have to be stamped when they are there, not when their computing is begun"
    )
    yield Departure(fact=FACT if strong else WEAK, sentence=sentence, metrics=(*ALL, "total_s"))


def _complete(timeline: Timeline) -> int | None:
    """When the answer was out: when the event with its text arrived, whatever its stamp says, and else with the last
    output. What a program does after its text, such as to free its model, is no part of the answer."""
    if texts := timeline.arrivals(Text):
        return texts[-1]
    arrivals = [piece.t_ns for piece in timeline.transcript.pieces if piece.stream == "out"]
    return timeline.text_ns or max(arrivals, default=None)


def on_cpu(timeline: Timeline) -> bool:
    """Whether the program says that it computes on a CPU."""
    device: Scalar = None
    for event in timeline.events:
        if isinstance(event, Hello):
            device = event.device or device
        elif isinstance(event, Settings):
            device = event.values.get("device") or device
    return device_class(device) == "cpu"


def _short(seconds: float) -> str:
    return format_value(seconds, "s") if seconds >= 1e-3 else f"{seconds * 1e6:.3g} µs"
