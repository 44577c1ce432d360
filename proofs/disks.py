"""Proves that a full disk ends a run by its name, with what was measured judged, and that the run can be completed.

    .venv/bin/python proofs/disks.py [--tries 10] [--seconds S] [--seed N] [--config CONFIG]

Linux, and root: each try is a run in a small tmpfs of its own, which a file fills up at a random instant. parity must
say so, print a report, and end with exit code 74, or with the run's own if only derived files are missing. Then there
is room again, and `parity run --resume` must complete the run. At last the folder is read-only, where `parity score`
must print the same verdict. Without `--config` the run is that of `kills.py`.
"""

import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tabulate import tabulate

from kills import Whole, complaints, differing, finished, prove, run
from parity.run.log import RunFolder

LOST = 74
SIZE_MIB = 16


@dataclass
class Outcome:
    """What one full disk did. `wrong`: every claim of this proof that does not hold."""

    at_s: float
    code: int
    finished: int
    resumed: int | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def brief(self) -> str:
        return f"exit code {self.code}"


def main() -> int:
    return prove(__doc__, "try", one_try, table)


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (k, f"{o.at_s:.2f}", o.code, o.finished, o.resumed, "no" if o.wrong else "yes")
        for k, o in enumerate(outcomes, 1)
    ]
    headers = ("Try", "full after [s]", "exit code", "trials before", "exit code resumed", "holds")
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def one_try(whole: Whole, number: int, draw: random.Random) -> Outcome:
    """Fills the disk under a run at a random instant, makes room, resumes it, and compares before and after."""
    folder, code, at_s = whole.folder, whole.code, draw.uniform(0, whole.lasts_s)
    disk = folder / f"disk-{number}"
    disk.mkdir()
    with mounted(disk):
        log = RunFolder(disk / "run")
        filling = threading.Timer(at_s, fill, (disk / "ballast",))
        filling.start()
        done = run(folder, "run", "case.toml", "--out", str(log.path))
        filling.cancel()
        filling.join()
        outcome = Outcome(at_s, done.returncode, 0)
        if "Traceback" in done.stderr or done.returncode not in (code, LOST, 2):
            outcome.wrong.append(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
        if done.returncode == LOST and "No space left on device" not in done.stderr:
            outcome.wrong.append("the reason is not named")
        if (log.path / "run.json").exists():
            before = finished(log)
            outcome.finished = len(before)
            if done.returncode == LOST and before and f"Exit code {LOST}" not in done.stdout:
                outcome.wrong.append("no report of what was measured was printed")
            (disk / "ballast").unlink(missing_ok=True)
            again = run(folder, "run", "--resume", str(log.path))
            outcome.resumed = again.returncode
            outcome.wrong += complaints(log, before, again, code)
            differs = differing(log, whole.report)
            outcome.wrong += [f"its report differs from an undisturbed run's in {key}" for key in differs]
            outcome.wrong += read_only(folder, disk, log, code)
    return outcome


def read_only(folder: Path, disk: Path, log: RunFolder, code: int) -> Iterator[str]:
    """What is wrong with `score` of a folder that can't be written."""
    mount("-o", "remount,ro", str(disk))
    scored = run(folder, "score", str(log.path))
    if scored.returncode != code or "Read-only file system" not in scored.stderr:
        yield f"score of a read-only folder: exit code {scored.returncode}: {scored.stderr.strip()[-300:]}"


def fill(path: Path) -> None:
    """Leaves no byte."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


@contextmanager
def mounted(disk: Path) -> Iterator[None]:
    mount("-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "parity-proof", str(disk))
    try:
        yield
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
