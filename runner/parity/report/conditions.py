"""What else the machine did while trials ran: a line where something was odd, and a table for those who look closer."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from parity.compare.advice import TO_COOL_IT, TO_FREE_THE_GPU, TO_PLUG_IT_IN, TO_QUIET_IT
from parity.records import Conditions, Report, Trial
from parity.report.index import Index
from parity.report.view import Labelled, Marked, Table
from parity.units import format_value

MISSING = "—"

Show = Callable[[Sequence[float]], str]

_PAGE_CACHE = {
    "warm": "warm: parity reads the model's files into memory before each trial if they are not there",
    "cold": "cold: parity drops the model's files from memory before each trial",
    "as-is": "as it is: parity neither reads nor drops the model's files before a trial",
}


def condition_facts(index: Index) -> Iterator[Labelled]:
    """For the head of a report: the state of the page cache, and what was odd about the machine. Nothing of a run whose
    trials recorded no conditions."""
    known = [trial for trial in _measured(index.report) if trial.conditions is not None]
    if not known:
        return
    yield Labelled("Page cache", _page_cache(index.report, known))
    if odd := "; ".join(text for text, _ in _odd(index, known)):
        yield Labelled("Conditions", odd)


def oddities(index: Index) -> Iterator[tuple[str, str]]:
    """What was odd about the machine, each thing with what to do about it."""
    yield from _odd(index, [trial for trial in _measured(index.report) if trial.conditions is not None])


def conditions_table(index: Index) -> Table | None:
    """A column for each runtime, over its measured trials, void ones included; None where nothing was recorded."""
    known = [trial for trial in _measured(index.report) if trial.conditions is not None]
    of_runtime = {runtime.name: [t for t in known if t.runtime == runtime.name] for runtime in index.report.runtimes}
    sides = {name: trials for name, trials in of_runtime.items() if trials}
    if not sides:
        return None
    reasons: list[str] = []
    rows = [
        (Marked("Measured trials"), *(Marked(str(len(trials))) for trials in sides.values())),
        (Marked("Void trials"), *(Marked(str(_void(trials))) for trials in sides.values())),
        *(
            (Marked(title), *(_entry(trials, name, show, reasons) for trials in sides.values()))
            for title, name, show in ROWS
        ),
    ]
    footnotes = tuple(f"[{number}] {reason}" for number, reason in enumerate(reasons, start=1))
    headers = ("Median (largest)", *(index.runtime_title(name) for name in sides))
    return Table(headers, tuple(rows), footnotes)


def _measured(report: Report) -> list[Trial]:
    return [trial for trial in (*report.trials, *report.void) if trial.is_measured]


def _void(trials: Sequence[Trial]) -> int:
    return sum(trial.void is not None for trial in trials)


def _page_cache(report: Report, trials: Sequence[Trial]) -> str:
    caches = [
        t.conditions.page_cache for t in trials if t.conditions is not None and t.conditions.page_cache is not None
    ]
    shares = [cache.resident for cache in caches if cache.resident is not None]
    said = _PAGE_CACHE[report.conditions.page_cache]
    if shares:
        low, high = f"{min(shares):.0%}", f"{max(shares):.0%}"
        said += f" ({low if low == high else f'{low} to {high}'} of their pages were in memory when trials began)"
    left = Counter(cache.reason for cache in caches if cache.state != report.conditions.page_cache)
    return said + "".join(
        f"; as it was in {count} of {len(trials)} trials ({reason})" for reason, count in left.items()
    )


def _odd(index: Index, trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """What a reader of the figures should know of the machine, and what to do about it."""
    void = Counter(trial.runtime for trial in trials if trial.void is not None)
    if void:
        sides = ", ".join(f"{void[r.name]} of {r.title}" for r in index.report.runtimes if void[r.name])
        worst = max((t for t in trials if t.void is not None), key=lambda t: _value(t, "others_cpu") or 0.0)
        again = "their turns were run again or left out" if not any(t.void for t in index.report.trials) else ""
        trials_were = "trial was" if void.total() == 1 else "trials were"
        said = f"{void.total()} {trials_were} void ({sides}); in the worst, {worst.void}{f'; {again}' if again else ''}"
        yield said, TO_QUIET_IT
    battery = sum(bool(_value(trial, "on_battery")) for trial in trials)
    if battery:
        yield f"{battery} of {len(trials)} trials ran on battery power", TO_PLUG_IT_IN
    if any(_value(trial, "throttle_events") for trial in trials):
        yield "CPUs were throttled because they were too hot", TO_COOL_IT
    if others := max((_value(trial, "gpu_processes") or 0 for trial in trials), default=0):
        yield f"up to {others:.0f} other processes computed on a GPU", TO_FREE_THE_GPU


def _value(trial: Trial, name: str) -> float | None:
    found: float | None = getattr(trial.conditions, name) if trial.conditions is not None else None
    return found


def _entry(trials: Sequence[Trial], name: str, show: Show, reasons: list[str]) -> Marked:
    values = [value for trial in trials if (value := _read(trial, name)) is not None]
    if values:
        return Marked(show(values))
    found = (trial.conditions.absent.get(name) for trial in trials if trial.conditions is not None)
    reason = next(filter(None, found), _unknown(trials))
    if reason not in reasons:
        reasons.append(reason)
    return Marked(MISSING, (reasons.index(reason) + 1,))


def _read(trial: Trial, name: str) -> float | None:
    if name != "resident":
        return _value(trial, name)
    cache = trial.conditions.page_cache if trial.conditions is not None else None
    return cache.resident if cache is not None else None


def _unknown(trials: Sequence[Trial]) -> str:
    conditions: list[Conditions] = [trial.conditions for trial in trials if trial.conditions is not None]
    reasons = (found.page_cache.reason for found in conditions if found.page_cache is not None)
    return next(filter(None, reasons), "not recorded")


def _cores(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({max(values):.2f})"


def _shares(values: Sequence[float]) -> str:
    return f"{median(values):.0%} ({max(values):.0%})"


def _counts(values: Sequence[float]) -> str:
    return f"{median(values):.0f} ({max(values):.0f})"


def _bytes(values: Sequence[float]) -> str:
    return f"{format_value(median(values), 'bytes')} ({format_value(max(values), 'bytes')})"


def _seconds(values: Sequence[float]) -> str:
    return f"{median(values):.2f} s ({max(values):.2f} s)"


def _megahertz(values: Sequence[float]) -> str:
    return f"{median(values):.0f} MHz ({max(values):.0f} MHz)"


def _yes(values: Sequence[float]) -> str:
    return f"{sum(map(bool, values))} of {len(values)} trials"


ROWS: tuple[tuple[str, str, Show], ...] = (
    ("CPUs used by others", "others_cpu", _cores),
    ("CPUs used by other virtual machines", "steal_cpu", _cores),
    ("Load average before", "load_1min", _cores),
    ("Time in which a program waited for a CPU", "cpu_pressure", _shares),
    ("Time in which a program waited for a disk", "io_pressure", _shares),
    ("Time in which a program waited for memory", "memory_pressure", _shares),
    ("CPU frequency at the end", "frequency_mhz", _megahertz),
    ("Times throttled by heat", "throttle_events", _counts),
    ("Throttled for", "throttled_s", _seconds),
    ("Swapped", "swapped_bytes", _bytes),
    ("Model's files in memory before", "resident", _shares),
    ("On battery power", "on_battery", _yes),
    ("Other processes on GPUs", "gpu_processes", _counts),
)
"""Title, name of the value, and how the values of a runtime's trials are shown."""
