"""The good trials of both sides by round, and what counts as a difference between them.

Two values differ where the interval of their ratio, or of their difference, over the rounds excludes that they are
equal: Student's interval at 95 %, with the fewest rounds that a verdict needs too. What a difference accounts for is
computed from the identity

    time = CPU time ÷ CPU cores used

so that the logarithm of the slowdown is the sum of two parts: fewer cores, and more CPU time.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from parity.reading.timeline import ALREADY_RUNNING, NOT_OF_THE_TREE
from parity.records import Trial, Use, UsePhase
from parity.report.index import CellResults, Index, Pair, Workload
from parity.stats import LEAST, ONCE, Estimate, paired_difference, paired_ratio

LEAST_SHARE = 0.2
"""Of a slowdown: what accounts for less is no finding."""

DECISIVE_SHARE = 0.5

Of = Callable[[Trial], float | None]


@dataclass(frozen=True)
class Series:
    """A figure of both sides in the rounds in which both have it."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def enough(self) -> bool:
        return len(self.ours) >= LEAST

    @property
    def means(self) -> tuple[float, float]:
        """Of the implementation and of the baseline."""
        return sum(self.ours) / len(self.ours), sum(self.theirs) / len(self.theirs)

    def ratio(self, least: float) -> Estimate:
        """Implementation ÷ baseline; values below `least`, which is what one step of the counter comes to, count as
        that."""
        return paired_ratio([max(x, least) for x in self.ours], [max(x, least) for x in self.theirs], ONCE)

    def difference(self) -> Estimate:
        """Implementation − baseline."""
        return paired_difference(self.ours, self.theirs, ONCE)


@dataclass(frozen=True)
class Sides:
    """An implementation and the baseline on one model and test."""

    index: Index
    workload: Workload
    pair: Pair
    implementation: CellResults
    ours: Mapping[int, Trial]
    theirs: Mapping[int, Trial]

    @property
    def baseline(self) -> CellResults:
        return self.pair.baseline

    @property
    def rounds(self) -> list[int]:
        """Those in which both sides gave a result."""
        return sorted(self.ours.keys() & self.theirs.keys())

    def trials(self) -> Iterator[Trial]:
        """Those of the implementation."""
        yield from self.ours.values()

    def series(self, of: Of) -> Series:
        both = [(of(self.ours[number]), of(self.theirs[number])) for number in self.rounds]
        known = [(x, y) for x, y in both if x is not None and y is not None]
        return Series(tuple(x for x, _ in known), tuple(y for _, y in known))

    def why_absent(self, phase: UsePhase, counter: str) -> str:
        """Why a counter of a phase is not known on both sides."""
        for cell, trials in ((self.implementation, self.ours), (self.baseline, self.theirs)):
            if cell.runtime is not None and cell.runtime.settings.get(ALREADY_RUNNING) is True:
                return f"{cell.title}: {NOT_OF_THE_TREE}"
            for trial in trials.values():
                use = trial.use_in(phase)
                if use is None:
                    return f"{cell.title} does not show this phase" if trial.use else f"{cell.title} was not counted"
                if seconds_a_unit(use) is None:
                    return f"{cell.title} does not show its tokens one by one, so that the time of one is not known"
                if counter in use.absent:
                    return f"{cell.title}: {use.absent[counter]}"
        return f"fewer than {LEAST} rounds have it on both sides"


def sides_of(index: Index, workload: Workload, implementation: str) -> Sides:
    """Both sides of a pair. Void trials are not among those of a report that count."""
    pair = index.pair(workload, implementation)
    assert pair.implementation is not None, "the pair is of an implementation"
    ours, theirs = (
        {trial.round: trial for trial in cell.measured_trials()} for cell in (pair.implementation, pair.baseline)
    )
    return Sides(index, workload, pair, pair.implementation, ours, theirs)


def device_of(cell: CellResults) -> str | None:
    """The device that a runtime reports."""
    if cell.runtime is None:
        return None
    used = cell.runtime.settings.get("device") or cell.runtime.device
    return None if used is None else str(used)


def in_phase(phase: UsePhase, of: Callable[[Use], float | None]) -> Of:
    """A figure of what a trial used in a phase."""

    def figure(trial: Trial) -> float | None:
        use = trial.use_in(phase)
        return None if use is None else of(use)

    return figure


def seconds_a_unit(use: Use) -> float | None:
    """How long the phase took: decoding a token, every other phase as a whole. None where decoding counts no tokens."""
    if use.phase != "decode":
        return use.seconds
    return use.seconds / use.tokens if use.tokens else None


def cores(use: Use) -> float | None:
    """CPU cores used on average."""
    return use.cpu_s / use.counted_s if use.cpu_s is not None and use.counted_s else None


def counted(name: str) -> Callable[[Use], float | None]:
    """A count for each token in decoding, and for the whole of every other phase, at the pace of the part that was
    counted."""

    def figure(use: Use) -> float | None:
        value, seconds = getattr(use, name), seconds_a_unit(use)
        return None if value is None or not use.counted_s or seconds is None else value / use.counted_s * seconds

    return figure
