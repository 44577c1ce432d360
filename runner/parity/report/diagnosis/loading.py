"""What a runtime loaded and where it computes: the device, models and weights that it loads more than once, memory, and
threads that block. These hold for a whole trial."""

from collections.abc import Mapping

from parity.reading.devices import device_class
from parity.records import Evidence, Finding, FindingKind, Scalar, Trial
from parity.report.diagnosis.commands import Commands
from parity.report.diagnosis.cpu import Found
from parity.report.diagnosis.lines import against, evidence
from parity.report.diagnosis.sides import Series, Sides, device_of, in_phase

TWICE = 1.8
"""Times the size of the weights from which on something is said to hold or read them twice."""
MORE = 0.5
"""By how many sizes of the weights the two sides must differ at least, at the lower end of the interval."""

LARGE_BYTES = 256 << 20
"""Of weights that are smaller, memory does not tell how often they are held: libraries of a runtime take as much."""

READ_BYTES = 64 << 20
"""And of smaller ones, what is read does not tell either."""

POOLS = {"tokio-runtime-w": "Tokio", "tokio-rt-worker": "Tokio"}
"""Names of threads → the library that starts its workers and those of `spawn_blocking` under this name: `tokio-runtime-
worker`, of which Linux keeps 15 characters, and the shorter name in newer versions."""

_WORKERS = "tokio_worker_threads"
_LOADED, _OTHER, _AGAIN = "workers_loaded", "other_models", "loads_while_generating"
"""Settings by which a runtime reports what it loads."""


def look_at_what_is_reported(sides: Sides, commands: Commands, found: Found) -> None:
    """Adds what stands out of what the runtimes report and of the names of their threads, which no round changes."""
    for look in (_device, _second_load, _blocking):
        look(sides, commands, found)


def look_at_sizes(sides: Sides, commands: Commands, found: Found) -> None:
    """Adds what stands out of what is read and held in memory."""
    for look in (_reads, _memory):
        look(sides, commands, found)


def _device(sides: Sides, commands: Commands, found: Found) -> None:
    row = next((fact for fact in sides.pair.facts if fact.fact == "device"), None)
    ours, theirs = (row.ours, row.theirs) if row is not None else map(device_of, (sides.implementation, sides.baseline))
    if ours is None or theirs is None:
        found.unknown.append("use of an accelerator: not both sides report their device")
        return
    if _class_of(ours) != "cpu" or _class_of(theirs) in (None, "cpu"):
        # NVML does not list a process that uses no GPU, nor one in a container: memory tells no more than the names do.
        found.ordinary.append(f"device, as reported: {ours} against {theirs}")
        return
    sentence = f"it computes on {ours}, and the baseline on {theirs}: the accelerator is not used"
    found.findings.append(Finding(kind="device", sentence=sentence, decisive=True, next=commands.doctor))


def _class_of(device: str) -> str | None:
    """Of a device as runtimes name it, or as facts do: `cuda (10 of 29 layers)`."""
    return device_class(device) or device_class(device.partition(" (")[0])


def _second_load(sides: Sides, commands: Commands, found: Found) -> None:
    ours, theirs = (cell.runtime.settings if cell.runtime else {} for cell in (sides.implementation, sides.baseline))
    loads, others = _number(ours, _LOADED), ours.get(_OTHER)
    said = []
    if loads > max(1, _number(theirs, _LOADED)):
        said.append(f"it loads the model {loads:g} times in one trial")
    if ours.get(_AGAIN) is True and theirs.get(_AGAIN) is not True:
        said.append("it loads the model again while it generates")
    if others and not theirs.get(_OTHER):
        said.append(f"it loads a further model, {others}")
    if not said:
        if loads:
            found.ordinary.append(f"loads of the model: {loads:g}")
        return
    shown = (Evidence(what="loads of the model, as reported", unit="times", implementation=loads),)
    found.findings.append(
        Finding(kind="second-load", sentence=" and ".join(said), evidence=shown if loads else (), next=commands.files)
    )


def _reads(sides: Sides, commands: Commands, found: Found) -> None:
    """Reads of a file that is mapped into memory are page faults, and are not counted here."""
    reads = sides.series(in_phase("trial", lambda use: use.asked_bytes))
    if not reads.enough:
        found.unknown.append(f"bytes read: {sides.why_absent('trial', 'asked_bytes')}")
        return
    note = "these may be the weights more than once, or other files and pipes"
    _look_at_size(sides, found, "reads", ("bytes read", "it reads"), reads, READ_BYTES, note, commands.files)


def _memory(sides: Sides, commands: Commands, found: Found) -> None:
    peaks = sides.series(lambda trial: trial.value("peak_rss_bytes"))
    if not peaks.enough:
        return
    note = "libraries and caches count too, and what processes share counts once for each"
    words, next_ = ("peak memory", "its peak memory is"), commands.faults(major=False)
    _look_at_size(sides, found, "memory", words, peaks, LARGE_BYTES, note, next_)


def _look_at_size(
    sides: Sides,
    found: Found,
    kind: FindingKind,
    words: tuple[str, str],
    series: Series,
    least_bytes: int,
    note: str,
    command: str,
) -> None:
    """Whether a number of bytes is that of the weights more than once. `words`: what is counted, and how a sentence
    about it begins; `least_bytes`: of weights that are smaller, it tells nothing."""
    size = _size_bytes(sides)
    (what, begins), low, mean = words, series.difference().low, series.means[0]
    if size < least_bytes or low is None or low < MORE * size or mean < TWICE * size:
        found.ordinary.append(against(what, "bytes", series))
        return
    sentence = f"{begins} {mean / size:.1f} times the size of the weights"
    weights = Evidence(what="size of the weights", unit="bytes", implementation=float(size))
    shown = (evidence(what, "bytes", series), weights)
    found.findings.append(Finding(kind=kind, sentence=sentence, evidence=shown, note=note, next=command))


def _blocking(sides: Sides, commands: Commands, found: Found) -> None:
    trials = list(sides.trials())
    if not trials or not sides.theirs or not all(t.threads for t in (*trials, *sides.theirs.values())):
        found.unknown.append(
            "names of threads: not all were looked at on both sides, as where a system does not tell them, there are "
            "very many, or a server was running before"
        )
        return
    settings = sides.implementation.runtime.settings if sides.implementation.runtime else {}
    for name, library in POOLS.items():
        most = [_most(trial, name) for trial in trials]
        theirs = max((_most(trial, name) for trial in sides.theirs.values()), default=0)
        told = _number(settings, _WORKERS)
        workers = told or max(
            (trial.conditions.usable_cpus for trial in trials if trial.conditions is not None), default=0
        )
        if workers and most and min(most) > max(workers, theirs):
            waits = [seen.voluntary for trial in trials for seen in trial.threads if seen.name == name]
            shown = (
                Evidence(what=f"threads named {name}", unit="times", implementation=max(most), baseline=theirs),
                Evidence(
                    what=f"workers of {library}{'' if told else ', unless the program asks for others'}",
                    unit="times",
                    implementation=workers,
                ),
                Evidence(
                    what="times that these threads wait in a trial",
                    unit="times",
                    implementation=sum(waits) / len(trials),
                ),
            )
            more = max(most) - workers
            sentence = (
                f"a process has {more:g} more threads of {library} than {'its workers' if told else 'there are CPUs'}: "
                "they may run tasks of `spawn_blocking`"
            )
            found.findings.append(
                Finding(kind="blocking-threads", sentence=sentence, evidence=shown, next=commands.waits)
            )
            return
    found.ordinary.append("threads by name: none of Tokio beyond its workers")


def _most(trial: Trial, name: str) -> int:
    return max((seen.most for seen in trial.threads if seen.name == name), default=0)


def _size_bytes(sides: Sides) -> int:
    """Of the weights that the implementation loads."""
    runtime = sides.implementation.runtime
    return (runtime.model if runtime is not None and runtime.model is not None else sides.workload.model).size_bytes


def _number(settings: Mapping[str, Scalar], key: str) -> float:
    """A number that is reported; 0 where none is."""
    value = settings.get(key)
    return value if isinstance(value, int | float) else 0
