"""Whether a text came as it was generated, so that the arrival of its pieces shows how fast that was. Pure.

A program may hold text back until the end, or hand it on in bursts. A text that came as it was generated shows a rate,
and its first piece is about as late as the first token.
"""

import itertools

from parity.reading.timeline import Timeline
from parity.redaction import REDACTED

MASKED = "a secret in its text was masked, so that its tokens can't be counted"

ONE_BURST_S = 0.005
"""Text that arrives within this time is one burst: its arrival does not show how it was generated."""

LONGEST_PAUSE = 0.5
"""Of the time from the first piece to the last: text with a longer pause in it came in bursts."""

LEAST_SHARE = 0.05
"""Of the time from the start of prefill, or from an earlier mark of a program that does not show it, to the last piece:
text that takes less may have been held back."""


def no_flow(timeline: Timeline) -> str | None:
    """Why the arrival of the text does not show how it was generated; None where it does."""
    if timeline.count_tokens is None:
        return "there is no tokenizer to count the tokens of its text (`needs_tokenizer` asks for one)"
    if any(REDACTED in piece.text for piece in timeline.visible):
        return MASKED
    stamps = [piece.t_ns for piece in timeline.visible]
    whole_s = (stamps[-1] - stamps[0]) * 1e-9
    if whole_s < ONE_BURST_S:
        return "all text came in one burst"
    if len(stamps) == 2:
        return "two pieces of text are too few for a rate"
    if max(later - earlier for earlier, later in itertools.pairwise(stamps)) * 1e-9 > LONGEST_PAUSE * whole_s:
        return "the text came in bursts, not as it was generated"
    start, name = timeline.work_began
    if start is not None and whole_s < LEAST_SHARE * (stamps[-1] - start) * 1e-9:
        share = f"{LEAST_SHARE:.0%} of the time since {name}"
        return f"the text took less than {share}: the program may have held it back"
    return None


def no_first(timeline: Timeline) -> str | None:
    """Why the first piece of text is not as late as the first token; None where it is. A piece of several tokens came
    later by as many steps, less one."""
    if (reason := no_flow(timeline)) is not None:
        return reason
    assert timeline.count_tokens is not None, "its tokens were counted"
    tokens = timeline.count_tokens(timeline.visible[0].text)
    if tokens > 1:
        return f"its first piece of text holds {tokens} tokens, so that it came later than the first of them"
    return None
