"""Ratios over the runs of one config, found through the index of runs."""

from pathlib import Path

from parity.errors import RunFolderError
from parity.report.trend import Line, Point, Trend
from parity.run.history import Wanted, ratios_of


def trend(runs: Path, cache: Path, wanted: Wanted, metric: str) -> Trend:
    """The ratios of a metric over the runs of one config, each run's to its own baseline.

    Raises:
        RunFolderError: the runs are of several configs, or there are none.
        OSError: the folder can't be listed.
    """
    found, ratios = ratios_of(runs, cache, wanted, metric)
    past = found.runs[::-1]
    configs = sorted({run.config for run in past})
    if len(configs) != 1:
        raise RunFolderError(
            f"the runs in {runs} are of several configs ({', '.join(configs)}); name one with --config"
            if configs
            else f"no run in {runs} matches"
        )
    lines: dict[tuple[str, str, str, str, str], list[Point]] = {}
    for before, run in zip((None, *past), past, strict=False):
        changed = before is not None and before.sha256 != run.sha256
        for one in ratios.get(run.folder, ()):
            interval = None if one.low is None or one.high is None else (one.low, one.high)
            point = Point(run.folder, run.started, run.machine, run.word, one.ratio, interval, changed)
            lines.setdefault((one.model, one.test, one.runtime, run.baseline, one.definition), []).append(point)
    without = sum(not ratios.get(run.folder) for run in past)
    return Trend(configs[0], metric, tuple(Line(*key, tuple(points)) for key, points in lines.items()), without)
