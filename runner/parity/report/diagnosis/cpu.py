"""What the process tree did in a slow phase: fewer cores, waiting, more CPU time, work of the kernel, page faults."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from parity.reading.devices import device_class
from parity.records import Evidence, Finding, FindingKind, Use, UsePhase
from parity.report.diagnosis.commands import Commands
from parity.report.diagnosis.lines import TITLES, against, evidence
from parity.report.diagnosis.sides import (
    DECISIVE_SHARE,
    LEAST_SHARE,
    Series,
    Sides,
    cores,
    counted,
    device_of,
    in_phase,
    seconds_a_unit,
)

_PHASES: tuple[UsePhase, ...] = ("load", "prefill", "decode")

FAR_MORE = 2.0
"""A count that is not a time is evidence where it is more than so many times the baseline's."""

LEAST_IDLE = 0.1
"""Share of a phase in which no thread ran, by which the implementation must differ to be said to wait."""

LEAST_CORES = 0.01
"""One tick of CPU time in a second: what fewer ticks come to can't be told from none."""

CROWDED = 0.8
"""Share of the CPUs that must be in use before threads can be in each other's way."""


@dataclass(frozen=True)
class SlowPhase:
    """A phase in which the implementation is slower in the rounds of both. `slowdown`: the ratio of the times."""

    phase: UsePhase
    times: Series
    slowdown: float

    @property
    def title(self) -> str:
        return TITLES[self.phase]

    @property
    def per(self) -> str:
        """` a token`, where the phase counts tokens."""
        return " a token" if self.phase == "decode" else ""


@dataclass
class Found:
    """What came of looking: findings, and in words what does not stand out and what could not be looked at."""

    findings: list[Finding]
    ordinary: list[str]
    unknown: list[str]


def slow_phases(sides: Sides) -> list[SlowPhase]:
    """The phases that are slower beyond what rounds differ by, and hold at least a fifth of the time that is lost; the
    whole trial where no phase is known."""
    found = [slow for phase in _PHASES if (slow := _slow(sides, phase)) is not None]
    if not found:
        known = any(sides.series(in_phase(phase, seconds_a_unit)).enough for phase in _PHASES)
        whole = None if known else _slow(sides, "trial")
        return [whole] if whole is not None else []
    lost = {slow.phase: _lost_s(sides, slow) for slow in found}
    return [slow for slow in found if lost[slow.phase] >= LEAST_SHARE * sum(lost.values())]


def _slow(sides: Sides, phase: UsePhase) -> SlowPhase | None:
    times = sides.series(in_phase(phase, seconds_a_unit))
    if not times.enough:
        return None
    ratio = times.ratio(1e-6)
    return SlowPhase(phase, times, ratio.centre) if ratio.low is not None and ratio.low > 1 else None


def _lost_s(sides: Sides, slow: SlowPhase) -> float:
    ours, theirs = slow.times.means
    tokens = [use.tokens for trial in sides.trials() if (use := trial.use_in(slow.phase)) is not None and use.tokens]
    return (ours - theirs) * (min(tokens) if tokens else 1)


def look_at(sides: Sides, slow: SlowPhase, commands: Commands, found: Found) -> None:
    """Adds what stands out in a slow phase."""
    if (why := _not_on_cpu(sides)) is not None:
        found.unknown.append(f"CPU in {slow.title}: {why}, and CPU time tells only of what a CPU computes")
        return
    used = sides.series(in_phase(slow.phase, cores))
    if not used.enough:
        found.unknown.append(f"CPU in {slow.title}: {sides.why_absent(slow.phase, 'cpu_s')}")
        return
    look = _Look(sides, slow, commands, found, used)
    look.at_cores()
    look.at_work()
    look.at_threads()


def _not_on_cpu(sides: Sides) -> str | None:
    """Why it is not known that both sides compute on a CPU; None where both say so."""
    for cell in sides.pair.sides:
        device = device_of(cell)
        if device is None:
            return f"{cell.title} does not report its device"
        if device_class(device) != "cpu":
            return f"the device of {cell.title} is {device}"
    return None


class _Look:
    """One look at one phase."""

    def __init__(self, sides: Sides, slow: SlowPhase, commands: Commands, found: Found, used: Series) -> None:
        self._sides, self._slow, self._commands, self._found, self._used = sides, slow, commands, found, used

    def at_cores(self) -> None:
        """Whether it uses fewer cores, and whether that is because its threads wait."""
        ratio = self._used.ratio(LEAST_CORES)
        share = self._share(1 / ratio.centre)
        if ratio.high is None or ratio.high >= 1 or share < LEAST_SHARE:
            self._found.ordinary.append(against(f"CPU cores used in {self._slow.title}", "cores", self._used))
            return
        waits, idle = self._series("voluntary"), self._idle()
        shown = [evidence("CPU cores used", "cores", self._used)]
        idle_low = idle.difference().low
        is_idle = idle_low is not None and idle_low > LEAST_IDLE
        if is_idle:
            shown.append(evidence("share of the time in which no thread ran, at least", "share", idle))
        if waits.enough:
            shown.append(evidence(f"waits of its threads{self._slow.per}", "times", waits))
        else:
            self._missing("waits of threads", "voluntary")
        far_more = self._far_more(waits)
        disk = self._series("major_faults")
        if (is_idle or far_more) and self._far_more(disk):
            shown.append(evidence(f"page faults that read from a disk{self._slow.per}", "times", disk))
            sentence = f"in {self._slow.title} its threads wait for the disk more often than those of the baseline"
            self._add("disk", sentence, shown, share, self._commands.faults(major=True))
        elif far_more or (is_idle and self._waits_more()):
            sentence = f"in {self._slow.title} its threads wait more often than those of the baseline"
            self._add("waiting", sentence, shown, share, self._commands.waits)
        else:
            sentence = f"in {self._slow.title} it uses fewer CPU cores than the baseline"
            self._add("cores", sentence, shown, share, self._commands.profile, note=self._threads_reported())

    def at_work(self) -> None:
        """Whether it takes more CPU time for the same tokens, and whether the kernel takes it."""
        work = self._sides.series(in_phase(self._slow.phase, _work))
        ratio = work.ratio(1e-6)
        share = self._share(ratio.centre)
        if ratio.low is None or ratio.low <= 1 or share < LEAST_SHARE:
            self._found.ordinary.append(against(f"CPU time{self._slow.per} in {self._slow.title}", "s", work))
            return
        kernel, faults = self._series("system_s"), self._series("minor_faults")
        shown = [evidence(f"CPU time{self._slow.per}", "s", work)]
        if kernel.enough:
            shown.append(evidence("of it in the kernel", "s", kernel))
        else:
            self._missing("CPU time in the kernel", "system_s")
        in_kernel = _share_of_kernel(work, kernel)
        if in_kernel < DECISIVE_SHARE:
            sentence = f"in {self._slow.title} it takes more CPU time{self._slow.per} than the baseline"
            self._add("work", sentence, shown, share, self._commands.profile)
            return
        share *= min(1.0, in_kernel)
        if faults.enough and self._far_more(faults):
            shown.append(evidence(f"page faults{self._slow.per}", "times", faults))
            sentence = f"in {self._slow.title} the kernel takes more CPU time for it, and it makes far more page faults"
            self._add("page-faults", sentence, shown, share, self._commands.faults(major=False))
            return
        if not faults.enough:
            self._missing("page faults", "minor_faults")
        sentence = f"in {self._slow.title} the kernel takes more CPU time for it than for the baseline"
        self._add("kernel", sentence, shown, share, self._commands.calls)

    def at_threads(self) -> None:
        """Whether it has more threads than the baseline and than there are CPUs, and these take its cores."""
        cpus = [trial.conditions.usable_cpus for trial in self._sides.trials() if trial.conditions is not None]
        threads = self._sides.series(in_phase(self._slow.phase, lambda use: use.threads))
        taken = self._sides.series(in_phase(self._slow.phase, _taken_a_second))
        if not cpus or not threads.enough or not taken.enough:
            return
        more = threads.difference().low
        crowded = more is not None and more > 0 and threads.means[0] > max(cpus)
        if not crowded or self._used.means[0] < CROWDED * max(cpus) or not self._far_more(taken):
            self._found.ordinary.append(against(f"most threads until the end of {self._slow.title}", "times", threads))
            return
        shown = [
            evidence("most threads since its start", "times", threads),
            Evidence(what="CPUs that both may use", unit="times", implementation=max(cpus), baseline=max(cpus)),
            evidence("times a second that a thread's core is taken from it", "times", taken),
        ]
        sentence = (
            f"it has more threads than the baseline and than there are CPUs, and in {self._slow.title} their cores are "
            "taken from them more often"
        )
        self._add("crowding", sentence, shown, None, self._commands.profile)

    def _series(self, name: str) -> Series:
        return self._sides.series(in_phase(self._slow.phase, counted(name)))

    def _idle(self) -> Series:
        return self._sides.series(in_phase(self._slow.phase, _idle))

    def _waits_more(self) -> bool:
        """Whether its threads stop to wait more often in a second: what another program takes from them is no wait."""
        rates = self._sides.series(in_phase(self._slow.phase, _waits_a_second))
        low = rates.difference().low if rates.enough else None
        return low is not None and low > 0

    def _share(self, factor: float) -> float:
        """Which share of the slowdown of the phase a factor accounts for, as logarithms."""
        return math.log(factor) / math.log(self._slow.slowdown)

    def _threads_reported(self) -> str | None:
        """That the two sides report that they compute with different numbers of threads."""
        row = next((fact for fact in self._sides.pair.facts if fact.fact == "threads"), None)
        if row is None or row.ours is None or row.theirs is None or row.ours == row.theirs:
            return None
        return f"threads that compute, as reported: {row.ours}, and {row.theirs} in the baseline"

    def _far_more(self, series: Series) -> bool:
        """Whether a count is far higher in the rounds of both. One event in a phase, or for a token, counts as none."""
        low = series.ratio(1.0).low if series.enough else None
        return low is not None and low > FAR_MORE

    def _missing(self, what: str, counter: str) -> None:
        why = self._sides.why_absent(self._slow.phase, counter)
        self._found.unknown.append(f"{what} in {self._slow.title}: {why}")

    def _add(
        self,
        kind: FindingKind,
        sentence: str,
        shown: list[Evidence],
        share: float | None,
        command: str,
        note: str | None = None,
    ) -> None:
        explains = None if share is None else min(1.0, share)
        self._found.findings.append(
            Finding(
                kind=kind,
                sentence=sentence,
                phase=self._slow.phase,
                evidence=(evidence(f"time{self._slow.per}", "s", self._slow.times), *shown),
                explains=explains,
                decisive=explains is not None and explains >= DECISIVE_SHARE,
                note=note,
                next=command,
            )
        )


def _share_of_kernel(work: Series, kernel: Series) -> float:
    """Which share of the additional CPU time the kernel takes; 0 where it does not take more beyond the scatter."""
    low = kernel.difference().low if kernel.enough else None
    more = work.means[0] - work.means[1]
    if low is None or low <= 0 or more <= 0:
        return 0.0
    return (kernel.means[0] - kernel.means[1]) / more


def _work(use: Use) -> float | None:
    """CPU time for each token, or for the whole phase."""
    used, seconds = cores(use), seconds_a_unit(use)
    return None if used is None or seconds is None else used * seconds


def _idle(use: Use) -> float | None:
    """The least share of the time in which no thread ran: with fewer than one core on average, none can have."""
    used = cores(use)
    return None if used is None else max(0.0, 1.0 - used)


def _waits_a_second(use: Use) -> float | None:
    return use.voluntary / use.counted_s if use.voluntary is not None and use.counted_s else None


def _taken_a_second(use: Use) -> float | None:
    return use.involuntary / use.counted_s if use.involuntary is not None and use.counted_s else None


def phases_with_figures(sides: Sides) -> list[str]:
    """The phases whose time is known on both sides; the whole trial where none is."""
    found = [TITLES[phase] for phase in _PHASES if sides.series(in_phase(phase, seconds_a_unit)).enough]
    return found or [TITLES["trial"]] * sides.series(in_phase("trial", seconds_a_unit)).enough


def phases_without_figures(sides: Sides) -> Iterator[str]:
    """The phases that a side does not show."""
    for phase in _PHASES:
        if not sides.series(in_phase(phase, seconds_a_unit)).enough:
            yield f"{TITLES[phase]}: {sides.why_absent(phase, 'cpu_s')}"
