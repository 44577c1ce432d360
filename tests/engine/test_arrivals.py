"""Tokens that are sent later with saved stamps are told from tokens that are held back as the protocol has it."""

from collections.abc import Callable, Sequence

import pytest
from builders import MS, SPAWN_NS
from hypothesis import given
from hypothesis import strategies as st

from parity.adapter.events import Chunk, Event, Hello, Token
from parity.reading.arrivals import doubt
from parity.reading.timeline import Timeline
from parity.transcript import End, Head, Piece, Spawned, Transcript
from parity_worker import HOLD_S

HOLD_MS = HOLD_S * 1e3
T0 = SPAWN_NS + 100 * MS

Arrive = Callable[[Sequence[float]], Sequence[float]]
"""Stamps of tokens in ms → when each arrived."""


def sent(
    stamps_ms: Sequence[float], arrive: Arrive, *, paused_s: float = 0.0, text: bool = False, colon: str = ": "
) -> Timeline:
    """A trial whose tokens arrive, or `text` in place of them, all others of it left out. `colon`: how the last event
    writes the colon after its first key."""
    stamps = [T0 + round(ms * MS) for ms in stamps_ms]
    events: list[Event] = [
        Chunk(t_ns=t_ns, text="w ") if text else Token(t_ns=t_ns, k=k, id=k) for k, t_ns in enumerate(stamps, start=1)
    ]
    hello = Hello(t_ns=SPAWN_NS, protocol=1, runtime="r", version="1")
    lines = [event.model_dump_json().replace('"ev":', '"ev": ') for event in (hello, *events)]
    lines[-1] = lines[-1].replace('"ev": ', f'"ev"{colon}')
    arrivals = (SPAWN_NS, *(T0 + round(ms * MS) for ms in arrive(stamps_ms)))
    pieces = [Piece(t_ns, "out", line.encode() + b"\n") for t_ns, line in zip(arrivals, lines, strict=True)]
    end = End(t_ns=pieces[-1].t_ns + MS, by="exit", exit_code=0, paused_s=paused_s)
    spawn = Spawned(t_ns=SPAWN_NS, pid=1, wall="")
    head = Head(purpose="trial", runtime="r")
    return Timeline(Transcript(head=head, spawn=spawn, pieces=tuple(pieces), end=end), events)


def at_once(stamps: Sequence[float]) -> Sequence[float]:
    return [ms + 0.2 for ms in stamps]


def batched(late_ms: float = 0.5) -> Arrive:
    """The first at once, the others a few times a second, each batch late by as much as the machine is busy."""

    def arrive(stamps: Sequence[float]) -> Sequence[float]:
        first, last = stamps[0], stamps[-1]
        written = [first + HOLD_MS * (1 + (ms - first) // HOLD_MS) for ms in stamps[1:]]
        # What is left is written when the generation is over.
        return [first + 0.2, *(min(ms, last) + late_ms for ms in written)]

    return arrive


def at_the_end(stamps: Sequence[float]) -> Sequence[float]:
    return [stamps[-1] + 1.0 + 0.01 * k for k, _ in enumerate(stamps)]


def all_but_first_at_the_end(stamps: Sequence[float]) -> Sequence[float]:
    return [stamps[0] + 0.2, *at_the_end(stamps)[1:]]


def behind(ms: float) -> Arrive:
    return lambda stamps: [stamp + ms for stamp in stamps]


def steady(gap_ms: float, count: int) -> list[float]:
    return [k * gap_ms for k in range(count)]


def in_pieces(size: int, gap_ms: float, count: int) -> list[float]:
    """Tokens of pieces of text, each with the stamp of its piece."""
    return [(k // size) * size * gap_ms for k in range(count)]


@pytest.mark.parametrize(
    ("timeline", "certain"),
    [
        (sent(steady(20, 100), at_the_end), True),
        (sent(steady(20, 20), at_the_end), False),
        (sent(steady(20, 8), at_the_end), False),
        (sent(steady(500, 20), at_the_end), True),
        (sent(steady(20, 200), all_but_first_at_the_end), True),
        (sent(steady(20, 100), behind(700)), False),
        (sent(steady(20, 100), behind(3000)), True),
        (sent(steady(20, 100), at_the_end, text=True), True),
        (sent(steady(20, 100), at_the_end, colon=" : "), True),
        (sent(steady(20, 100), at_the_end, text=True, colon=" :"), True),
        (sent(steady(20, 200), all_but_first_at_the_end, text=True), True),
        (sent(in_pieces(2, 20, 100), at_once), False),
        (sent(in_pieces(5, 20, 100), at_once), False),
        (sent(in_pieces(4, 5, 12), at_once), False),
        (sent(in_pieces(3, 20, 100), batched()), False),
        (sent([ms + 0.001 * k for k, ms in enumerate(in_pieces(4, 20, 60))], at_once), False),
    ],
    ids=[
        "all at the end",
        "all at the end of a short answer",
        "all at the end of a very short answer",
        "all at the end of a slow answer",
        "all but the first at the end",
        "each later than it may be held back",
        "each very late",
        "text that is sent at the end",
        "one token that is spelled otherwise",
        "one piece of text that is spelled otherwise",
        "text of which all but the first piece is sent at the end",
        "pieces of two tokens",
        "pieces of five tokens",
        "pieces of a short answer",
        "pieces, held back as tokens may be",
        "pieces whose tokens are stamped a microsecond apart",
    ],
)
def test_stamps_that_are_saved_for_later_are_no_stamps_of_tokens(timeline: Timeline, certain: bool) -> None:
    found = doubt(timeline)
    assert found is not None
    assert found.certain == certain


@pytest.mark.parametrize(
    "timeline",
    [
        sent(steady(20, 100), at_once),
        sent(steady(20, 100), batched()),
        sent(steady(2, 400), batched()),
        sent(steady(1.5, 60), batched()),
        sent(steady(3000, 6), batched()),
        sent(steady(20, 100), batched(late_ms=200)),
        sent(steady(20, 4), behind(40)),
        sent(steady(20, 50), batched(late_ms=4000), paused_s=4.0),
        sent([0, 300, *[350 + 20 * k for k in range(30)]], batched()),
        sent([0, *[20 * k + 15 * (k % 2) for k in range(1, 60)]], batched()),
        sent([0.0], behind(9000)),
        sent(steady(20, 100), at_once, text=True),
        sent(in_pieces(3, 20, 100), at_once, text=True),
        sent(steady(2, 8), behind(1530)),
        sent([ms + 0.3 * (k % 5) for k, ms in enumerate(in_pieces(5, 20, 400))], at_once),
    ],
    ids=[
        "each at once",
        "batches",
        "batches of a fast runtime",
        "one batch at the end of a short answer",
        "steps that are longer than a batch",
        "batches on a busy machine",
        "a busy instant in a short answer",
        "parity was stopped meanwhile",
        "a slow second token",
        "uneven steps",
        "one token, of which there is no rate",
        "text that is sent at once",
        "text in groups",
        "a few quick tokens on a machine that is busy for long",
        "short steps of a program that is kept from the CPU after every few",
    ],
)
def test_tokens_that_are_held_back_as_they_may_be_raise_no_doubt(timeline: Timeline) -> None:
    assert doubt(timeline) is None


@given(
    st.lists(st.floats(1.0, 400), min_size=1, max_size=120),
    st.floats(0, 100),
)
def test_no_rhythm_of_tokens_is_doubted_for_its_batches(gaps_ms: list[float], late_ms: float) -> None:
    # Steps of one model on one machine: no step takes less than a fourth of the mean.
    mean = sum(gaps_ms) / len(gaps_ms)
    stamps = [0.0]
    for gap in gaps_ms:
        stamps.append(stamps[-1] + max(gap, mean / 4))
    assert doubt(sent(stamps, batched(late_ms))) is None


@given(st.floats(105, 50_000), st.integers(2, 200))
def test_whatever_is_sent_at_its_end_alone_is_found_from_a_tenth_of_a_second_on(span_ms: float, count: int) -> None:
    assert doubt(sent(steady(span_ms / (count - 1), count), at_the_end)) is not None


def test_a_sentence_names_the_token_and_how_late_it_was() -> None:
    late, grouped = (doubt(sent(*case)) for case in ((steady(20, 100), at_the_end), (in_pieces(4, 20, 80), at_once)))
    assert late is not None
    assert late.sentence.startswith("its token 1 arrived 1.98 s after its stamp, and has to be sent at once")
    assert grouped is not None
    assert grouped.sentence.startswith("its 80 tokens are stamped in 20 groups")
