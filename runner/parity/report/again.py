"""The commands that run a cell again, as lines that can be pasted."""

import shlex
from collections.abc import Iterable, Sequence

from parity.records import Report

_LEFT_OUT = ("--only ", "--test ", "--add-rounds ")
"""Options that selected runtimes and tests, of which a cell selects its own, and what was done with the run later."""

_ROUNDS = ("--rounds ", "--quick", "--time-limit ")
"""Options that say how many rounds there are."""


def run_again(report: Report, test: str, runtimes: Iterable[str]) -> str | None:
    """Runs some runtimes on a test again, with the options of the run; every model of the config is run. None where the
    config is not known."""
    return _run(report, test, runtimes, [option for option in report.options if not option.startswith(_LEFT_OUT)])


def run_once(report: Report, test: str, runtime: str) -> str | None:
    """Runs one measured round of a runtime on a test, for a tool that looks at it meanwhile."""
    kept = [option for option in report.options if not option.startswith((*_LEFT_OUT, *_ROUNDS))]
    return _run(report, test, [runtime], [*kept, "--quick"])


def _run(report: Report, test: str, runtimes: Iterable[str], options: Sequence[str]) -> str | None:
    if report.config_file is None:
        return None
    only = [word for name in dict.fromkeys(runtimes) for word in ("--only", name)]
    return " ".join([shlex.join(["parity", "run", report.config_file, *only, "--test", test]), *options])
