"""What a program warned of on standard error, each kind of line once. Pure."""

import re
from collections.abc import Callable

from parity.records import Notice
from parity.transcript import Transcript
from parity.units import shortened

MOST_KINDS = 10
"""Of a trial. What is beyond that is in its transcript."""

MOST_BYTES = 4 * 1024 * 1024
"""Of standard error that is looked at: what matters is printed once, or again and again."""

LONGEST = 200
"""Characters of a line that are kept."""

_REMEMBERED = 1000
"""Lines of which it is known whether they warn: a program may print one a million times."""

FURTHER = "further lines of other kinds, which its transcript holds"

_ESCAPES = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
_VARIES = re.compile(r"0x[0-9a-fA-F]+|\d+")


def notices_of(transcript: Transcript, warns: Callable[[str], bool]) -> tuple[Notice, ...]:
    """The kinds of lines for which `warns` holds, in the order of their first, each with how many there were. Lines
    that differ in numbers only, such as a time, are of one kind."""
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    further = seen = 0
    kinds: dict[str, str | None] = {}
    for line in transcript.lines("err", blank=False):
        seen += len(line.text) + 1
        if seen > MOST_BYTES:
            break
        if line.text not in kinds:
            if len(kinds) >= _REMEMBERED:
                kinds.clear()
            kinds[line.text] = _kind(line.text) if warns(line.text) else None
        kind = kinds[line.text]
        if kind is None:
            continue
        if kind not in first and len(first) >= MOST_KINDS:
            further += 1
            continue
        first.setdefault(kind, shown(line.text))
        counts[kind] = counts.get(kind, 0) + 1
    found = [Notice(text=first[kind], count=count) for kind, count in counts.items()]
    return (*found, Notice(text=FURTHER, count=further)) if further else tuple(found)


def _kind(line: str) -> str:
    return _VARIES.sub("0", shown(line))


def shown(line: str) -> str:
    """A line as a report holds it: without colours, and no longer than `LONGEST`."""
    plain = " ".join(_ESCAPES.sub("", line[: 4 * LONGEST]).split())
    return shortened(plain, LONGEST)
