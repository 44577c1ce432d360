"""Fidelity: how far the arrival times that parity records are from the instants at which a program wrote.

A program stamps each line with the monotonic clock right before it writes it, at irregular gaps, about 200 lines a
second; the stamps are compared with those of the transcript. The aim is p99 ≤ 1 ms on an idle machine.

    .venv/bin/python benchmarks/fidelity.py [SECONDS]
"""

import statistics
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from parity.adapter import Launch
from parity.hosts.local import supervise
from parity.records import Limits
from parity.transcript import Head, Transcript

AIM_P99_US = 1000.0
WRITER = """
import os, random, sys, time

gap = random.Random(1)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    time.sleep(gap.uniform(0.0, 0.01))
    os.write(1, b"%d\\n" % time.monotonic_ns())
"""


def lateness_us(transcript: Transcript) -> list[float]:
    """Recorded minus own stamp of each line, in µs."""
    return [(line.t_ns - int(line.text)) / 1e3 for line in transcript.lines("out")]


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder:
        transcript = supervise(
            Launch(argv=(sys.executable, "-c", WRITER, str(seconds))),
            head=Head(purpose="trial", runtime="fidelity"),
            path=Path(folder) / "fidelity.jsonl",
            limits=Limits(),
        )
    late = lateness_us(transcript)
    if len(late) < 2:
        print("\n".join(["the writer printed too little:", *transcript.tail()]), file=sys.stderr)
        return 1
    percentile = statistics.quantiles(late, n=100, method="inclusive")
    p50, p99 = percentile[49], percentile[98]
    print(
        tabulate(
            [[len(late), p50, p99, max(late), "met" if p99 <= AIM_P99_US else "missed"]],
            headers=["lines", "p50 (µs)", "p99 (µs)", "max (µs)", f"p99 ≤ {AIM_P99_US:.0f} µs"],
            floatfmt=".1f",
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
