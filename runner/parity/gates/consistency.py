"""`kind = "consistency"`: one runtime's trials give similar results: the same greedy output, and little spread."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from pydantic import Field

from parity import stats
from parity.compare.advice import NEVER_ZERO, to_meet
from parity.gates.base import Judgement, MetricGate, strictest
from parity.gates.evidence import Evidence
from parity.reading.metrics.two_budgets import OF_TWO_TRIALS
from parity.reading.sampling import GREEDY
from parity.records import Cell, Interval, Measurement, Trial
from parity.stats.oddities import outliers, two_modes
from parity.stats.spread import Series, Spread, own_spread, residuals
from parity.units import noun_for

WHOLE_TRIALS = ("total_s", "wall_s")
"""What a program shows of each trial whole, where the metric itself is a difference of two trials."""

SHARES = (0.1, 0.2, 0.7)
"""The spread is judged after half, three quarters and all of the rounds. Each look has its share of the error."""


@dataclass(frozen=True)
class _Look:
    """What the first rounds show. `oddities`: outliers and modes, as the end of a sentence."""

    spread: Spread
    confidence: float
    oddities: str


class ConsistencyGate(MetricGate):
    """`kind = "consistency"`: every trial of a runtime gives the same greedy output, and a metric varies little from
    round to round, by its coefficient of variation."""

    kind: Literal["consistency"]
    metric: str = Field(default="gen_tps", description="the name of a metric, such as `gen_tps`")
    max_cv: float = Field(
        default=0.10, gt=0, description="the highest coefficient of variation (standard deviation ÷ mean) allowed"
    )

    def judge_trials(self, cell: Cell, evidence: Evidence) -> Judgement:
        greedy = [trial for trial in evidence.measured.trials(cell) if _is_greedy(trial)]
        if cell[1] in evidence.greedy and (differs := _outputs_differ(greedy)):
            return Judgement("FAIL", differs)
        metric = self._of_whole_trials(cell, evidence)
        found = strictest(metric, cell, evidence, self.definition if metric == self.metric else None)
        if isinstance(found, Judgement):
            return found
        if min(m.value or 0 for m in found.values()) <= 0:
            found_zero = f"{metric}: a value is zero or negative, so it has no variation in %"
            return Judgement("NOT COMPARABLE", found_zero, advice=NEVER_ZERO)
        named = metric if metric == self.metric else f"{metric} of each trial ({self.metric} is from pairs of trials)"
        return self._judge_spread(named, found, cell, evidence)

    def _of_whole_trials(self, cell: Cell, evidence: Evidence) -> str:
        """The metric, or one that each trial shows whole where this one is from the difference of two."""
        measured = evidence.measured
        own = [d for d in measured.definitions(cell, self.metric) if measured.values(cell, self.metric, d)]
        if not own or own[0] not in OF_TWO_TRIALS:
            return self.metric
        shown = (m for m in WHOLE_TRIALS if any(measured.values(cell, m, d) for d in measured.definitions(cell, m)))
        return next(shown, self.metric)

    def _judge_spread(self, named: str, found: Mapping[int, Measurement], cell: Cell, evidence: Evidence) -> Judgement:
        planned = evidence.looks.planned
        if planned is not None:
            # It is judged after set numbers of rounds, and has been: what is added later would be a further look.
            found = {number: measured for number, measured in found.items() if number <= planned}
        rounds, key = len(found), f"rounds.{'fixed' if evidence.looks.fixed else 'max'}"
        looks = _looks(evidence.looks, rounds, over=_last_round(cell, evidence) >= (planned or evidence.looks.last))
        series = _series(found, cell, evidence)
        fail_tail = evidence.fail_tail if self.required else stats.ALPHA
        first: Judgement | None = None
        last: _Look | None = None
        for at, share in looks:
            if at > rounds:
                break
            last = look = _look(series.only(range(at)), share * stats.ALPHA / 2, share * fail_tail)
            judged = self._judged(named, look, at)
            if first is None or first.verdict == "INCONCLUSIVE":
                first = judged
            elif judged.verdict not in (first.verdict, "INCONCLUSIVE"):
                conflict = f"{first.finding}; the rounds conflict: judged after {at}, it would be {judged.verdict}"
                return replace(first, finding=conflict)
        more = [at for at, _ in looks if at > rounds]
        if first is None:
            when = f"it is judged after {_listed(more)} rounds" if more else f"set `{key} = {stats.LEAST}` or more"
            few = "1 round does" if rounds == 1 else f"{rounds} rounds do"
            if planned is not None and not more:
                when = f"rounds that were added later don't count for it: start a new run with `{key} = {stats.LEAST}`"
            said = f"{named}: {few} not show how much it varies"
            may_grow = bool(more) and not evidence.looks.fixed and planned is None
            return Judgement("INCONCLUSIVE", said, open=may_grow, rounds=rounds, advice=when)
        if first.verdict != "INCONCLUSIVE":
            return first
        when = f"judged again after {_listed(more)} rounds" if more else f"set `{key}` higher to decide this"
        if planned is not None:
            when = f"rounds that were added later don't count for it: start a new run with a higher `{key}`"
        if not more and last is not None and last.spread.alone:
            when = "measure a second runtime in the same rounds, such as the baseline"
        return replace(first, open=bool(more) and planned is None, rounds=rounds, advice=when)

    def _judged(self, named: str, look: _Look, rounds: int) -> Judgement:
        spread = look.spread
        trend = ", without the drift that the other runtimes show" if spread.drift else ""
        if spread.alone:
            trend = ", a drift among it of which no other runtime shows whether it is the machine's"
        bounds = f"at most {100 * self.max_cv:.6g}%"
        said = (
            f"{named} varies by {spread.cv:.1%} [{spread.low:.1%}, {spread.high:.1%}] over {rounds} rounds{trend}, "
            f"required: {bounds}{look.oddities}"
        )
        interval = Interval(low=spread.low, high=spread.high, confidence=look.confidence)
        if spread.high <= self.max_cv:
            return Judgement("PASS", said, spread.cv, interval, rounds=rounds, bounds=bounds)
        if spread.low > self.max_cv:
            advice = to_meet(spread.cv, None, self.max_cv)
            return Judgement("FAIL", said, spread.cv, interval, rounds=rounds, bounds=bounds, advice=advice)
        return Judgement("INCONCLUSIVE", said, spread.cv, interval, rounds=rounds, bounds=bounds)


@lru_cache(maxsize=256)
def _look(series: Series, pass_tail: float, fail_tail: float) -> _Look:
    """Kept: a run is judged after every round, and each time from the first look on."""
    left = residuals(series).own
    odd = outliers(left)
    kept = series.only([k for k in range(len(left)) if k not in odd])
    said = ""
    if odd:
        named = f"{noun_for(len(odd), 'round')} {_listed([k + 1 for k in odd])}"
        said += f"; {named} set aside as {noun_for(len(odd), 'outlier')} (generalised ESD test at 1%)"
    if modes := two_modes(left):
        said += f"; two modes, {math.exp(modes.apart):.2f}× apart ({modes.more} and {modes.fewer} rounds)"
    return _Look(own_spread(kept, pass_tail, fail_tail), 1 - pass_tail - fail_tail, said)


def _looks(looks: stats.Looks, rounds: int, *, over: bool) -> list[tuple[int, float]]:
    """After how many rounds the spread is judged, each with its share of the error. `over`: the run has no more rounds,
    so that the last look is at those that there are, which are fewer where void ones were left out."""
    if looks.fixed:
        return [(rounds, 1.0)] if rounds >= stats.LEAST else []
    end = looks.planned or looks.last
    at = (math.ceil(end / 2), math.ceil(0.75 * end), end)
    planned = [(number, share) for number, share in zip(at, SHARES, strict=True) if number >= stats.LEAST]
    if not over or rounds < stats.LEAST:
        return planned
    earlier = [(number, share) for number, share in planned if number < rounds]
    return [*earlier, (rounds, math.fsum(share for number, share in planned if number >= rounds))]


def _last_round(cell: Cell, evidence: Evidence) -> int:
    """Of the cell's model and test, those included that don't count."""
    trials = (*evidence.of_pair(cell[0], cell[1]), *evidence.void_of_pair(cell[0], cell[1]))
    return max((t.round for t in trials if t.is_measured), default=0)


def _series(found: Mapping[int, Measurement], cell: Cell, evidence: Evidence) -> Series:
    """Logarithms of the cell, and of the other runtimes that have the same metric in each of its rounds."""
    measured, rounds = evidence.measured, sorted(found)
    first = found[rounds[0]]
    own = [math.log(found[number].value or 1) for number in rounds]
    own_times = _times(measured.times(cell), rounds)
    logs: list[list[float]] = []
    times: list[list[float]] = []
    for other in measured.cells:
        if other[:2] != cell[:2] or other == cell:
            continue
        for definition in measured.definitions(other, first.metric):
            theirs = measured.values(other, first.metric, definition)
            if definition not in OF_TWO_TRIALS and all((theirs[n].value or 0) > 0 for n in rounds if n in theirs):
                if theirs.keys() >= set(rounds):
                    logs.append([math.log(theirs[number].value or 1) for number in rounds])
                    times.append(_times(measured.times(other), rounds))
                break
    if not logs:
        return Series(tuple(own), tuple(own_times), None, None)
    return Series(tuple(own), tuple(own_times), tuple(_mean(logs)), tuple(_mean(times)))


def _times(times: Mapping[int, float], rounds: Sequence[int]) -> list[float]:
    return [times[number] for number in rounds]


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]


def _outputs_differ(trials: Sequence[Trial]) -> str | None:
    """Which rounds had a different greedy output, where any did: by the ids of its tokens where all rounds show these,
    and by its text where the ids do not differ."""
    ids = {t.round: t.identity.output_ids_sha256 for t in trials if t.identity is not None}
    by_ids = len(ids) == len(trials) and None not in ids.values() and len(set(ids.values())) > 1
    outputs = ids if by_ids else {trial.round: trial.text for trial in trials if trial.text is not None}
    if len(set(outputs.values())) < 2:
        return None
    usual, _ = Counter(outputs.values()).most_common(1)[0]
    odd = [number for number, output in outputs.items() if output != usual]
    what = "other tokens" if by_ids else "a different text"
    said = f"its greedy output differs from round to round: {_listed(odd)} of {len(outputs)} rounds gave {what}"
    return f"{said}; report.json has the {'hashes of the token ids' if by_ids else 'texts'}"


def _is_greedy(trial: Trial) -> bool:
    """Whether the likeliest token was taken each time; not where the program doesn't show it."""
    return trial.identity is not None and (trial.identity.sampling or "").startswith(GREEDY)


def _listed(numbers: Sequence[int]) -> str:
    *most, last = [str(number) for number in numbers]
    return f"{', '.join(most)} and {last}" if most else last
