"""Where the records of a transcript stand in its file."""

from dataclasses import dataclass, field
from pathlib import Path

from parity.transcript.packing import open_transcript


@dataclass
class LineNumbers:
    """Lines of a transcript's file, counted from 1. `pieces` and `samples`: in the order of the transcript's own;
    `records`: name of a record, such as `spawn`, → its line."""

    pieces: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    records: dict[str, int] = field(default_factory=dict)


def line_numbers(path: Path) -> LineNumbers:
    """The line numbers of a transcript that `read_transcript` reads."""
    numbers = LineNumbers()
    with open_transcript(path) as file:
        for number, line in enumerate(file, start=1):
            kind = line.split(b'"', 2)[1].decode() if line.count(b'"') > 1 else ""
            if kind == "t":
                numbers.pieces.append(number)
            elif kind == "sample":
                numbers.samples.append(number)
            else:
                numbers.records[kind] = number
    return numbers
