"""Proves that nothing which parity reads of strangers can crash it, hang it or fill its memory.

    .venv/bin/python proofs/fuzz.py [--seconds 600] [--only TARGET …] [--seed N]

Whole inputs (a config, what a program prints, a GGUF header, a chat template, …) are changed in a few random places and
read. Each must be read, or refused by the exception that is documented, within SLOWEST_S of CPU time. An input that
fails is made as small as it can be and kept in `tests/proofs/corpus`, which `make test` reads again. Ten minutes for
each target are two hours.
"""

import argparse
import hashlib
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from fuzz_targets import TARGETS, TESTS, Target, reads
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tabulate import tabulate

SLOWEST_S = 10.0
"""CPU time of parity itself for one input."""

MEMORY_BYTES = 4 * 1024**3
"""Address space of this process."""

AT_ONCE = 500
"""Inputs between two looks at the clock."""


@dataclass
class Tally:
    """What came of a target."""

    tried: int = 0
    read: int = 0
    slowest_s: float = 0.0
    failure: str = ""


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Seeds, changed in up to four places."""
    word = st.sampled_from(target.words) | st.binary(max_size=8)
    edit = st.tuples(st.integers(0, 2**16), st.integers(0, 60), word, st.sampled_from((0, 1, 1, 1, 2, 50)))

    def changed(whole: bytes, edits: list[tuple[int, int, bytes, int]]) -> bytes:
        for place, cut, put, times in edits:
            at = place % (len(whole) + 1)
            whole = whole[:at] + put * times + whole[at + cut :]
        return whole

    return st.builds(changed, st.sampled_from(target.seeds()), st.lists(edit, max_size=4))


def fuzz(target: Target, seconds: float, number: int) -> tuple[Tally, bytes | None]:
    """Tries inputs for so long, or until one fails, which is returned as small as it can be made."""
    tally, last = Tally(), b""

    def once(data: bytes) -> None:
        nonlocal last
        last = data
        tally.tried += 1
        begun = time.process_time()
        tally.read += reads(target, data)
        took = time.process_time() - begun
        tally.slowest_s = max(tally.slowest_s, took)
        assert took < SLOWEST_S, f"took {took:.1f} s"

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1
        options = settings(
            max_examples=AT_ONCE,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        try:
            seed(number)(options(given(inputs(target))(once)))()
        except Exception as error:
            tally.failure = f"{type(error).__name__}: {str(error)[:120]}"
            return tally, last
    return tally, None


def main() -> int:
    """Prints a row for each target; 1 where an input failed."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=600.0, help="for each target")
    options.add_argument("--only", nargs="+", choices=sorted(TARGETS), default=sorted(TARGETS))
    options.add_argument("--seed", type=int, default=int(time.time()))
    asked = options.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    rows, failed = [], False
    for name in asked.only:
        tally, found = fuzz(TARGETS[name], asked.seconds, asked.seed)
        if found is not None:
            failed = True
            path = TESTS / "proofs" / "corpus" / name / hashlib.sha256(found).hexdigest()[:16]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(found)
            print(f"{name}: {tally.failure}\n    kept as {path}", file=sys.stderr)
        refused = tally.tried - tally.read
        rows.append((name, tally.tried, tally.read, refused, f"{tally.slowest_s:.2f}", tally.failure or "none"))
        print(tabulate([rows[-1]], tablefmt="plain"), flush=True)
    headers = ("Target", "inputs", "read", "refused", "slowest [s of CPU]", "failure")
    print(f"\nseed {asked.seed}, {asked.seconds:g} s for each target\n\n{tabulate(rows, headers, tablefmt='github')}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
