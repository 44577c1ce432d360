"""Stamps that no token can have had are found, and those of honest programs are left alone."""

import re
from collections.abc import Sequence

import pytest
from builders import MS, SPAWN_NS, also, job, trial
from hypothesis import given
from hypothesis import strategies as st

from parity.adapter.events import Bye, Chunk, Event, Hello, Phase, Prompt, Text, Token
from parity.reading.stamps import ALL, FACT, WEAK, contradicted, doubts, systematic
from parity.reading.timeline import Timeline
from parity.records import Departure, ModelFacts, Trial
from parity.transcript import Head, Piece, Spawned, Transcript

TOY = job(size_bytes=100_000).model
SMALL = job(size_bytes=90_000_000).model
LARGE = job(size_bytes=30_000_000_000).model


def ran(
    tokens_ms: Sequence[float],
    *,
    prompt: int | None = 3,
    device: str | None = "cpu",
    late_ms: float = 0.5,
    arrive_late_ms: float = 0.0,
    waited_ms: float = 1.0,
    bye_ms: float = 0.0,
    text: bool = False,
    ready: bool = True,
) -> Timeline:
    """A trial of which loading ends at 99 ms; the tokens are stamped at `tokens_ms` after prefill began.

    `late_ms`: from the last token to `text`; `arrive_late_ms`: how much later than its stamp each event arrives;
    `waited_ms`: from the end of loading to the start of prefill; `bye_ms`: from `text` to `bye`; `text`: pieces of text
    of one token each, and no tokens; `ready`: the end of loading is shown."""
    t0 = SPAWN_NS + round((99 + waited_ms) * MS)
    stamps = [t0 + round(ms * MS) for ms in tokens_ms]
    end = stamps[-1] + round(late_ms * MS)
    events: list[Event] = [
        Hello(t_ns=SPAWN_NS + MS, protocol=1, runtime="r", version="1", device=device),
        *([Phase(t_ns=SPAWN_NS + 99 * MS, name="ready", edge="end")] if ready else []),
        Prompt(t_ns=t0, count=prompt),
        Phase(t_ns=t0, name="prefill", edge="begin"),
        *(
            Chunk(t_ns=t_ns, text="w ") if text else Token(t_ns=t_ns, k=k, id=k)
            for k, t_ns in enumerate(stamps, start=1)
        ),
        Text(t_ns=end, text="x"),
        Bye(t_ns=end + round(bye_ms * MS), reason="length"),
    ]
    lines = ((event.t_ns, event.model_dump_json().encode() + b"\n") for event in events)
    # A line arrives some microseconds after its stamp.
    pieces = tuple(Piece(t_ns + 9000 + round(arrive_late_ms * MS), "out", line) for t_ns, line in lines)
    spawn = Spawned(t_ns=SPAWN_NS, pid=1, wall="")
    transcript = Transcript(head=Head(purpose="trial", runtime="r"), spawn=spawn, pieces=pieces)
    return Timeline(transcript, events, lambda text: len(text.split()))


def found(timeline: Timeline, model: ModelFacts = TOY) -> list[str]:
    return [departure.fact for departure in doubts(timeline, model)]


def steady(first_ms: float, gap_ms: float, count: int) -> list[float]:
    return [first_ms + k * gap_ms for k in range(count)]


@pytest.mark.parametrize(
    ("timeline", "model", "fact"),
    [
        (ran(steady(1010, 0.007, 20)), TOY, FACT),
        (ran(steady(1010, 0.007, 20), device=None), TOY, FACT),
        (ran(steady(260, 0.007, 5)), TOY, FACT),
        (ran(steady(1010, 0.007, 20), prompt=None), TOY, WEAK),
        (ran(steady(1010, 1.0, 20)), TOY, WEAK),
        (ran([*steady(510, 0.007, 10), *steady(1010, 0.007, 10)]), TOY, WEAK),
        (ran([*steady(510, 0.007, 10), *steady(560, 50, 10)]), TOY, WEAK),
        (ran(steady(10, 0.015, 20)), SMALL, FACT),
        (ran(steady(500, 0.1, 20), prompt=300), LARGE, FACT),
        (ran(steady(50, 0.1, 60), text=True), LARGE, FACT),
        (ran([*steady(51, 0.007, 10), *steady(60, 10, 20)], text=True), SMALL, WEAK),
    ],
    ids=[
        "all at the end",
        "all at the end, on an unknown device",
        "all at the end, few tokens",
        "all at the end, of an unknown prompt",
        "handed on slowly at the end",
        "in two halves",
        "the first half together",
        "faster than a kernel starts",
        "faster than any memory is read",
        "text faster than any memory is read",
        "the first pieces of text together",
    ],
)
def test_tokens_that_are_stamped_when_they_are_handed_on_are_found(
    timeline: Timeline, model: ModelFacts, fact: str
) -> None:
    assert found(timeline, model) == [fact]


@pytest.mark.parametrize(
    ("timeline", "fact"),
    [
        (ran(steady(10.5, 0.5, 20), late_ms=1000), FACT),
        (ran(steady(10.5, 0.5, 20), late_ms=20), WEAK),
        (ran(steady(10, 5.2, 12), late_ms=150), WEAK),
        (ran(steady(10.5, 5, 20), late_ms=900), FACT),
        (ran(steady(10.5, 0.5, 20), arrive_late_ms=950), FACT),
    ],
    ids=[
        "at dispatch",
        "at dispatch, of a fast model",
        "a busy instant, or at dispatch",
        "ten times too early",
        "arrival shows it alone",
    ],
)
def test_tokens_that_are_stamped_before_they_are_there_are_found(timeline: Timeline, fact: str) -> None:
    [departure] = doubts(timeline, TOY)
    assert departure.fact == fact
    assert departure.concerns("total_s")
    assert "worked on for" in departure.sentence


@pytest.mark.parametrize(
    ("timeline", "model"),
    [
        (ran(steady(3000, 10, 20), prompt=500), SMALL),
        (ran(steady(3000, 10, 20), prompt=3), SMALL),
        (ran(steady(30_000, 10, 20), prompt=2000), SMALL),
        (ran(steady(65, 2.4, 50), prompt=15, device="cuda"), SMALL),
        (ran(steady(2000, 2.4, 50), prompt=15, device="cuda"), SMALL),
        (ran(steady(10, 5, 20)), TOY),
        (ran(steady(1.2, 0.2, 30), prompt=15), TOY),
        (ran([102, 422, *steady(457, 35, 48)], prompt=11), SMALL),
        (ran([400, 401.9, *steady(440, 40, 30)], prompt=15), SMALL),
        (ran([10, 10.001], prompt=3), SMALL),
        (ran(steady(100, 60, 50), prompt=37, late_ms=105), SMALL),
        (ran(steady(40, 4, 5), prompt=9, late_ms=7), TOY),
        (ran(steady(12, 3, 64), prompt=37, device="Metal"), LARGE.but(architecture="qwen3moe")),
        (ran(steady(50, 5, 60), text=True), LARGE),
        (ran([*steady(51, 0.007, 3), *steady(60, 10, 40)], text=True), SMALL),
    ],
    ids=[
        "a long prompt and few tokens",
        "a slow start of a short prompt",
        "a very long prompt and few tokens",
        "a GPU",
        "a GPU that is set up in its first forward",
        "a slow toy",
        "a fast toy",
        "a cost at the second token",
        "one short gap",
        "two tokens",
        "a slow report at the end",
        "a toy on a busy machine",
        "a mixture of experts",
        "text",
        "a first piece of text in three parts",
    ],
)
def test_honest_programs_raise_no_doubt(timeline: Timeline, model: ModelFacts) -> None:
    assert found(timeline, model) == []


@given(
    st.floats(0.3, 100),
    st.floats(0.5, 15),
    st.integers(1, 400),
    st.integers(3, 60),
    st.floats(0, 1.9),
)
def test_a_steady_rate_behind_a_prompt_that_was_read_no_slower_is_never_doubted(
    gap_ms: float, slower: float, prompt: int, count: int, late_gaps: float
) -> None:
    timeline = ran(steady(gap_ms * slower * prompt, gap_ms, count), prompt=prompt, late_ms=gap_ms * late_gaps)
    assert found(timeline, SMALL) == []


def test_a_doubt_names_every_metric_that_rests_on_stamps() -> None:
    [departure] = doubts(ran(steady(1010, 0.007, 20)), TOY)
    assert set(departure.metrics or ()) == set(ALL)
    assert not departure.concerns("load_s")
    assert not departure.concerns(None)
    assert departure.sentence.startswith("its 20 tokens are stamped within 133 µs after 1.01 s without any")


@pytest.mark.parametrize(
    ("timeline", "facts"),
    [
        (ran(steady(10, 0.5, 20), waited_ms=2000), [FACT]),
        (ran([10, 20], waited_ms=2000), [FACT]),
        (ran(steady(10, 0.5, 20), waited_ms=2000, text=True), [FACT]),
        (ran(steady(10, 20, 50), waited_ms=2000, ready=False), [FACT]),
        (ran(steady(10, 20, 50), waited_ms=100, ready=False), []),
        (ran(steady(10, 20, 50), waited_ms=400), [WEAK]),
        (ran(steady(10, 20, 50), waited_ms=300), []),
        (ran(steady(10, 0.5, 20), waited_ms=200), []),
    ],
    ids=[
        "work before prefill",
        "two tokens",
        "text",
        "no ready",
        "a short load and no ready",
        "a busy instant, or work",
        "a small share",
        "a busy instant",
    ],
)
def test_time_between_loading_and_prefill_is_in_no_metric(timeline: Timeline, facts: list[str]) -> None:
    departures = list(doubts(timeline, TOY))
    assert [departure.fact for departure in departures] == facts
    for departure in departures:
        assert re.search("between (`ready`|its start) and the start of prefill", departure.sentence)
        assert all(departure.concerns(m) for m in ("ttft_s", "total_s", "prompt_tps", "gen_tps"))


def doubtful(*rounds: int, warmup: bool = False) -> list[Trial]:
    odd = (Departure(fact=WEAK, sentence="odd", metrics=ALL),)
    return [
        trial("one", k, {"gen_tps": 1.0}, warmup=warmup, departures=odd if k in rounds else ()) for k in range(1, 7)
    ]


@pytest.mark.parametrize(
    ("trials", "facts"),
    [
        (doubtful(2), []),
        (doubtful(2, 5), [FACT, FACT]),
        (doubtful(*range(1, 7)), [FACT] * 6),
        ([*doubtful(), *doubtful(1, 2, 3, warmup=True)], []),
    ],
)
def test_a_weak_doubt_counts_where_the_trials_of_a_cell_raise_it_again_and_again(
    trials: list[Trial], facts: list[str]
) -> None:
    assert [departure.fact for t in systematic(trials) for departure in t.departures] == facts


@pytest.mark.parametrize(
    ("stamped", "over_budgets", "facts"),
    [
        ([100.0, 100.0, 100.0], [20.0, 21.0, 19.0], [FACT] * 3),
        ([100.0, 100.0, 100.0], [20.0, 21.0, 90.0], []),
        ([100.0, 100.0], [20.0, 21.0], []),
        ([20.0, 20.0, 20.0], [30.0, 30.0, 30.0], []),
        ([20.0, 20.0, 20.0], [18.0, 15.0, 25.0], []),
    ],
    ids=["every round", "not every round", "too few rounds", "a cost in common", "scatter"],
)
def test_a_rate_that_two_budgets_contradict_in_every_round_is_doubted(
    stamped: list[float], over_budgets: list[float], facts: list[str]
) -> None:
    trials = [
        also(trial("one", k, {"gen_tps": a}), "two-budgets", {"gen_tps": b})
        for k, (a, b) in enumerate(zip(stamped, over_budgets, strict=True), start=1)
    ]
    assert [departure.fact for t in contradicted(trials) for departure in t.departures] == facts


def test_a_fact_that_is_no_doubt_stays_as_it_is() -> None:
    certain = Departure(fact=FACT, sentence="sure", metrics=ALL)
    trials = [t.but(departures=(*t.departures, certain)) for t in doubtful(1)]
    assert [t.departures for t in systematic(trials)] == [(certain,)] * 6


def test_what_a_program_does_after_its_text_makes_no_stamp_late() -> None:
    assert found(ran(steady(10.5, 5, 20), bye_ms=2000)) == []
    assert found(ran(steady(10.5, 5, 20), late_ms=2000)) == [FACT]
