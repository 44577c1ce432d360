"""Whether the events of tokens came when their stamps say that the tokens were there. Pure.

A token's stamp is the instant at which the runtime chose its id. A program that knows no ids while it generates can
tokenise its text afterwards, and send `token` events with the instants at which pieces of the text came. Two things
tell these from stamps of tokens: such events arrive long after their stamps, or the tokens of one piece have one stamp.

The protocol lets a program hold back its tokens for `HOLD_S`, but for the first, so that a batch is no fault. Within
that time, a stamp that is made up can't be told from one that is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from parity.adapter.events import Chunk, Token
from parity.adapter.protocol import HOLD_S
from parity.reading.timeline import Timeline
from parity.units import format_value

LATE_GAPS = 2
"""Gaps between tokens that a runtime may take before its program gets to write what it holds."""

BUSY_S = 0.25
"""What keeps a program, or parity, from the CPU for an instant may take this long on a busy machine."""

LEAST_SPAN_S = 0.1
"""Tokens of a shorter time may all be late for what else the machine does, however honest their stamps are."""

TOGETHER = 0.05
"""Of the mean gap: tokens that are closer may have one stamp."""

NO_STEP_NS = 50_000
"""No model takes a step in less; a mean gap may be long for its pauses alone, on a machine that is busy."""

FEWEST_TOKENS = 8
"""With fewer, a single short gap is a large share of them."""

GROUPED = 0.25
"""Of all gaps: where more are shorter than any step takes, tokens are stamped in groups."""


@dataclass(frozen=True)
class Doubt:
    """What shows that stamps are not those of tokens. `certain`: no machine that is busy for an instant explains it."""

    sentence: str
    certain: bool


def doubt(timeline: Timeline) -> Doubt | None:
    """What the arrival of a trial's tokens, or of its text, shows against their stamps; None where it shows nothing."""
    return _late(timeline) or _grouped([token.t_ns for token in timeline.tokens])


def _late(timeline: Timeline) -> Doubt | None:
    what, shown = ("token", timeline.tokens) if timeline.tokens else ("piece of text", timeline.chunks)
    stamps, arrivals = [event.t_ns for event in shown], timeline.arrivals(Token if timeline.tokens else Chunk)
    if len(stamps) < 2 or len(arrivals) != len(stamps):
        # What an adapter reads out of other output has its arrival as its stamp.
        return None
    end = timeline.transcript.end
    paused_s = end.paused_s if end is not None else 0.0
    span_s = (stamps[-1] - stamps[0]) * 1e-9
    if span_s < LEAST_SPAN_S:
        return None
    first_s = (arrivals[0] - stamps[0]) * 1e-9 - paused_s
    if first_s > min(0.5 * span_s + 0.2 * BUSY_S, 0.1 * span_s + BUSY_S):
        return Doubt(_sentence(what, 1, first_s, "has to be sent at once"), first_s > 0.5 * span_s + 2 * BUSY_S)
    held_ns, k = max((arrived - stamp, k) for k, (stamp, arrived) in enumerate(zip(stamps, arrivals, strict=True), 1))
    beyond_s = held_ns * 1e-9 - paused_s - HOLD_S - LATE_GAPS * span_s / (len(stamps) - 1)
    if beyond_s > 0.1 * span_s + BUSY_S:
        words = f"may be held back for {format_value(HOLD_S, 's')}"
        return Doubt(_sentence(what, k, held_ns * 1e-9, words), beyond_s > 0.5 * span_s + 2 * BUSY_S)
    return None


def _sentence(what: str, k: int, late_s: float, words: str) -> str:
    return (
        f"its {what} {k} arrived {format_value(late_s, 's')} after its stamp, and {words}: stamps that are saved until "
        "later do not show when it was there"
    )


def _grouped(stamps: Sequence[int]) -> Doubt | None:
    """Tokens that share their stamps, as those of one piece of text do."""
    if len(stamps) < FEWEST_TOKENS:
        return None
    mean_ns = (stamps[-1] - stamps[0]) / (len(stamps) - 1)
    together = sum(other - one < min(TOGETHER * mean_ns, NO_STEP_NS) for one, other in pairwise(stamps))
    if together <= GROUPED * (len(stamps) - 1):
        return None
    groups = len(stamps) - together
    return Doubt(
        f"its {len(stamps)} tokens are stamped in {groups} groups, as the tokens of pieces of text are: a program that "
        "is shown text alone sends `chunk` events, and parity counts the tokens",
        certain=False,
    )
