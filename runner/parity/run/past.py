"""What a history tells of one run, read from the files of its folder without computing anything again."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import RunFolderError
from parity.judging.exit import word_of
from parity.run.earlier import read_run_text

UNFINISHED = "Unfinished"
NOT_JUDGED = "Not judged"


@dataclass(frozen=True)
class Ratio:
    """A ratio to the baseline as the run's report has it. `low`, `high`: its interval, where it has one."""

    model: str
    test: str
    runtime: str
    metric: str
    definition: str
    ratio: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PastRun:
    """A run. `started`: ISO 8601, UTC. `sha256`: of its config. `word`: what it came to. `reason`: of that word.
    `machine`: its name."""

    folder: str
    started: str
    config: str
    file: str
    sha256: str
    word: str
    reason: str
    baseline: str
    machine: str


def read_past(folder: Path) -> tuple[PastRun, list[Ratio]]:
    """A run and its ratios. Of a run that is not over, or whose reports were not written, the ratios are not known.

    Raises:
        RunFolderError: the folder is not of a run, or a file of it can't be read.
    """
    path = folder / "run.json"
    try:
        if not _is_there(path):
            raise RunFolderError("is not a run folder (it has no run.json)")
        run = json.loads(read_run_text(path))
        known: dict[str, Any] = {
            "folder": folder.name,
            "started": str(run["started"]),
            "config": str(run["loaded"]["config"]["name"]),
            "file": str(run["loaded"]["file"]),
            "sha256": str(run["loaded"]["sha256"]),
            "baseline": str(run["loaded"]["config"]["baseline"]),
            "machine": str(run["machine"]["host"]),
        }
        path = folder / "end.json"
        if not _is_there(path):
            return PastRun(**known, word=UNFINISHED, reason="it is at work, or was killed"), []
        end = json.loads(path.read_bytes())
        path = folder / "report.json"
        if not _is_there(path):
            return PastRun(**known, word=NOT_JUDGED, reason="it has no report.json; `parity score` writes it"), []
        report = json.loads(path.read_bytes())
        if bool(report["interrupted"]) != bool(end["interrupted"]):
            why = "its report.json is of before it was resumed; `parity score` writes it anew"
            return PastRun(**known, word=NOT_JUDGED, reason=why), []
        word = word_of(int(report["exit"]["code"]), judged=bool(report["verdicts"]))
        found = PastRun(**known, word=word, reason=str(report["exit"]["reason"]))
        return found, [_ratio(one) for one in report["comparisons"] if _counts(one)]
    except OSError as error:
        raise RunFolderError(f"{path.name}: can't be read ({error.strerror})") from error
    except RunFolderError as error:
        raise RunFolderError(str(error).removeprefix(f"{folder}/")) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFolderError(f"{path.name}: is not what parity writes ({type(error).__name__}: {error})") from error


def _is_there(path: Path) -> bool:
    """Whether there is a file. Raises RunFolderError of a pipe or a device, which might never end."""
    if path.exists() and not path.is_file():
        raise RunFolderError(f"{path.name}: is no file")
    return path.exists()


def _counts(comparison: dict[str, Any]) -> bool:
    """Whether a ratio says something: both sides ran the same, and no trial contradicts it."""
    return comparison["ratio"] is not None and comparison["comparable"] is True and comparison["doubt"] is None


def _ratio(comparison: dict[str, Any]) -> Ratio:
    interval = comparison["interval"]
    return Ratio(
        model=str(comparison["model"]),
        test=str(comparison["test"]),
        runtime=str(comparison["runtime"]),
        metric=str(comparison["metric"]),
        definition=str(comparison["definition"]),
        ratio=float(comparison["ratio"]),
        low=None if interval is None else float(interval["low"]),
        high=None if interval is None else float(interval["high"]),
    )
