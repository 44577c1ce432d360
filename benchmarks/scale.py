"""What parity itself takes as a run grows: its loop, `score`, and each format of the report.

    .venv/bin/python benchmarks/scale.py [--trials 1000 10000] [--cells 100 1000] [--keep DIR]

The first table grows the history of one run: two runtimes on five tests, in more and more rounds. The second grows the
cells: two runtimes on more and more tests, in five rounds. Trials are scripted, with 12 tokens each. The seconds are
CPU time, and each size has a process of its own, whose largest memory is shown: that of a report, which is to read, to
judge, and to make the terminal's table, `report.md`, `report.html` and `report.json`. `A turn` is what the run loop
takes before one more turn of the finished run with adaptive rounds: what is given up, what is due, and which gates are
open. Aims: ten times the trials take at most 15 times as long, and the report of 1,000 cells less than 10 s and 300 MB.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from large_runs import Size, make_run
from tabulate import tabulate

from parity.report import FORMATS, json_pieces
from parity.run.log import RunFolder
from parity.run.score import recorded_runtimes, recorded_state
from parity.run.session import LOCAL, make_adapters

TESTS_OF_A_HISTORY = 5
ROUNDS_OF_CELLS = 5
MOST_GROWTH = 1.5
"""By how much more than the trials the seconds may grow."""

AIM_S, AIM_MB = 10.0, 300.0
REPORT = ("read", "judge", "table", "markdown", "html", "json")
STEPS = (*REPORT, "a turn")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--cells", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--keep", type=Path, help="where the run folders are kept, and found again")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measured(RunFolder.open(options.measure))))
        return 0
    histories = [Size(2, TESTS_OF_A_HISTORY, n // (2 * TESTS_OF_A_HISTORY)) for n in options.trials]
    grids = [Size(2, n // 2, ROUNDS_OF_CELLS) for n in options.cells]
    met = True
    with tempfile.TemporaryDirectory() as elsewhere:
        for title, sizes in (("one history", histories), ("cells", grids)):
            found = [_of_size(options.keep or Path(elsewhere), size) for size in sizes]
            rows = [_row(size, one) for size, one in zip(sizes, found, strict=True)]
            if len(sizes) > 1:
                growth = {step: found[-1][step] / found[0][step] for step in (*STEPS, "MB")}
                ratio = sizes[-1].trials / sizes[0].trials
                rows.append(("ratio", f"{ratio:.1f}", *(f"{growth[s]:.1f}" for s in (*STEPS, "MB"))))
                met = met and growth["read"] + growth["judge"] <= 2 * MOST_GROWTH * ratio
            headers = ("Cells", "Trials", *(f"{step} [s]" for step in STEPS), "Memory [MB]")
            print(f"\n{title}\n\n{tabulate(rows, headers=headers, tablefmt='github', disable_numparse=True)}")
    last = found[-1]
    report_s = sum(last[step] for step in REPORT)
    print(f"\nReport of {sizes[-1].cells} cells: {report_s:.1f} s and {last['MB']:.0f} MB; aim {AIM_S} s, {AIM_MB} MB")
    return 0 if met and report_s < AIM_S and last["MB"] < AIM_MB else 1


def measured(folder: RunFolder) -> dict[str, float]:
    """Step → seconds of CPU time in this process; `MB` → its largest memory by the end of the report."""
    took: dict[str, float] = {}

    def timed(step: str, work: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = work()
        took[step] = time.process_time() - begun
        return result

    run = folder.read_run()
    prepared = recorded_runtimes(folder, make_adapters(run.loaded, run.hosts[LOCAL]))
    state = timed("read", lambda: recorded_state(folder, run, prepared))
    report = timed("judge", lambda: state.report(folder.name, interrupted=False))
    timed("table", lambda: FORMATS["table"](report))
    timed("markdown", lambda: FORMATS["markdown"](report))
    timed("html", lambda: FORMATS["html"](report))
    timed("json", lambda: deque(json_pieces(report), maxlen=0))
    took["MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    config = run.loaded.config
    adaptive = config.but(rounds=config.rounds.but(count=None, max=min(1000, 1 + config.rounds.looks.last)))
    state = replace(state, run=run.but(loaded=run.loaded.but(config=adaptive)), _judged={})
    state.due.next_turn()
    again = state.after(state.trials[-1])
    timed("a turn", lambda: (again.given_up, again.due.next_turn(), again.due.slots))
    return took


def _of_size(kept: Path, size: Size) -> dict[str, float]:
    folder = kept / f"{size.runtimes}-{size.tests}-{size.rounds}"
    if not (folder / "run" / "end.json").exists():
        folder.mkdir(parents=True)
        print(f"making {size.trials} trials of {size.cells} cells", file=sys.stderr)
        make_run(folder, size)
    command = [sys.executable, __file__, "--measure", str(folder / "run")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _row(size: Size, found: dict[str, float]) -> tuple[str, ...]:
    return f"{size.cells:,}", f"{size.trials:,}", *(f"{found[step]:.2f}" for step in STEPS), f"{found['MB']:.0f}"


if __name__ == "__main__":
    sys.exit(main())
