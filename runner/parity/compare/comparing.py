"""Two sides compared: over the rounds in which both have a value by one definition, if they ran the same."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parity import stats
from parity.compare.advice import to_compare, to_declare, to_measure
from parity.compare.common_tokens import Common, over_common_tokens
from parity.compare.doubt import doubt
from parity.compare.identity import (
    Intent,
    conflict,
    declarable,
    declared_in,
    departed,
    fact_rows,
    in_conflict,
    unproven_in,
)
from parity.compare.measured import Measured
from parity.compare.scales import NOT_POSITIVE, centre_of, share_of_equal
from parity.compare.series import interval_of, ratio_at, slack
from parity.reading.departures import CHANGED
from parity.reading.dictionary import METRICS, REPORTED, only_a_bound
from parity.reading.metrics.spec import Scale
from parity.reading.metrics.two_budgets import RATE
from parity.records import Cell, Comparison, FactRow, Floor
from parity.stats import ONCE, Looks

NO_INTENT = Intent()

NO_FLOOR = "`floor = true` asks for a noise floor, and there is none"

UPPER_BOUNDS = "both values are upper bounds, which have no ratio: each may be anything below"


Floors = Mapping[tuple[str, str, str, str], Floor | str]
"""Model, test, metric and definition → by how much the baseline differs from itself, or why that is not known."""


@dataclass(frozen=True)
class _Run:
    """What all comparisons of a run have in common. `floors`: None where no floor was asked for."""

    measured: Measured
    intent: Intent
    looks: Looks
    floors: Floors | None
    asked: Mapping[str, Collection[str]]


def compare(
    measured: Measured,
    cells: Sequence[Cell],
    baseline: str,
    intent: Intent = NO_INTENT,
    looks: Looks = ONCE,
    metrics: Iterable[str] = METRICS,
    floors: Floors | None = None,
    asked: Mapping[str, Collection[str]] | None = None,
) -> Iterator[Comparison]:
    """Every implementation's cell compared with the baseline's, in every metric. `intent`: the differences that the
    config declares. `looks`: when the run is judged, which decides how wide intervals are. `floors`: None where no
    floor was asked for. `asked`: metric → definitions that gates name."""
    run = _Run(measured, intent, looks, floors, asked or {})
    for cell in cells:
        model, test, runtime = cell
        if runtime != baseline:
            base = (model, test, baseline)
            facts = fact_rows(measured, cell, base, intent)
            for metric in metrics:
                yield from _by_each_definition(run, cell, base, metric, facts)


def _by_each_definition(
    run: _Run, cell: Cell, base: Cell, metric: str, facts: Sequence[FactRow]
) -> Iterator[Comparison]:
    """By the strictest definition, then by each further one that has a row of its own or is asked for, and that both
    have in a round."""
    strictest = _compare_metric(run, cell, base, metric, facts)
    yield strictest
    for definition in METRICS[metric].definitions:
        ours, theirs = (run.measured.values(side, metric, definition.id).keys() for side in (cell, base))
        wanted = definition.row or definition.id in run.asked.get(metric, ())
        if wanted and definition.id != strictest.definition and ours & theirs:
            yield _compare_metric(run, cell, base, metric, facts, definition.id)


def _lacking(measured: Measured, metric: str, cell: Cell, known_of_other: Sequence[str]) -> str | None:
    """Why a side has no value by the least strict definition that the other side is measured by, the one that it takes
    least for; None where no trial says so."""
    why = [(d, reason) for d in known_of_other if (reason := measured.why_not_by(cell, metric, d)) is not None]
    return f"{cell[2]} has no {why[-1][0]}, because {why[-1][1]}" if why else None


def _compare_metric(
    run: _Run, cell: Cell, base: Cell, metric: str, facts: Sequence[FactRow], definition: str | None = None
) -> Comparison:
    """By `definition`, or by the strictest that both sides have."""
    measured, intent, looks = run.measured, run.intent, run.looks
    model, test, runtime = cell
    spec = METRICS[metric]
    known: dict[str, Any] = {"model": model, "test": test, "runtime": runtime, "baseline": base[2]}
    known |= {"metric": metric, "unit": spec.unit, "scale": spec.scale}
    for side in (base, cell):
        if not any(measured.values(side, metric, d) for d in measured.definitions(side, metric)):
            remedy = to_measure(metric, measured.definitions(side, metric)) if measured.trials(side) else None
            return Comparison(**known, reason=f"{side[2]}: {measured.reason(side, metric)}", remedy=remedy)
    definition = definition or _common_definition(measured, metric, base, cell)
    if definition is None:
        theirs_by, ours_by = (
            [d for d in measured.definitions(c, metric) if measured.values(c, metric, d)] for c in (base, cell)
        )
        sides = f"{base[2]}: {', '.join(theirs_by)}; {runtime}: {', '.join(ours_by)}"
        lacking = (_lacking(measured, metric, cell, theirs_by), _lacking(measured, metric, base, ours_by))
        why = "; ".join(filter(None, lacking))
        reason = f"no definition in common{why and f': {why}'} ({sides})"
        tried = {*measured.definitions(base, metric), *measured.definitions(cell, metric)}
        return Comparison(**known, reason=reason, remedy=to_measure(metric, tried), comparable=False)
    theirs_by_round, ours_by_round = (measured.values(c, metric, definition) for c in (base, cell))
    rounds = sorted(theirs_by_round.keys() & ours_by_round.keys())
    known |= {"definition": definition, "rounds": len(rounds)}
    if not facts:
        return Comparison(**known, reason="it is not known what a side ran", comparable=False)
    reported = definition.startswith(REPORTED)
    declared, unproven = declared_in(metric, facts), unproven_in(metric, facts, reported=reported)
    known |= {"declared": declared, "unproven": unproven}
    for side in (base, cell):
        # Of a file that was changed, nothing shows any more which weights ran: the change says more.
        if change := next((d.sentence for d in measured.departures(side) if d.fact == CHANGED), None):
            remedy = to_declare(CHANGED, side[2])
            return Comparison(**known, reason=f"{side[2]}: {change}", remedy=remedy, comparable=False)
    if blocking := in_conflict(metric, facts, intent):
        remedy = to_compare(blocking, declarable(facts, intent), runtime)
        return Comparison(**known, reason=conflict(metric, facts, intent), remedy=remedy, comparable=False)
    for side in (base, cell):
        # A rate is compared over the tokens that both sides have, however many these are.
        departures = [d for d in measured.departures(side) if d.fact != "tokens" or spec.of_gaps is None]
        odd = departed(departures, side[2], metric, intent)
        if odd.undeclared is not None:
            remedy = to_declare(odd.undeclared.fact, side[2])
            return Comparison(**known, reason=f"{side[2]}: {odd.undeclared.sentence}", remedy=remedy, comparable=False)
        known["declared"] = declared = tuple(dict.fromkeys((*declared, *odd.declared)))
    ours: Sequence[float] = [v for r in rounds if (v := ours_by_round[r].value) is not None]
    theirs: Sequence[float] = [v for r in rounds if (v := theirs_by_round[r].value) is not None]
    if common := _common(measured, metric, definition, base, cell, rounds):
        if common.reason is not None:
            return Comparison(**known, reason=common.reason, comparable=False)
        known["tokens"], ours, theirs = common.tokens, common.ours, common.theirs
    if only_a_bound(metric, definition) == "upper":
        # Text that is held back to the end makes every latency the total time.
        return Comparison(**known, reason=UPPER_BOUNDS)
    value, reference_value = (_centre(spec.scale, side, definition) for side in (ours, theirs))
    slacks = [slack(ours_by_round[r]) + slack(theirs_by_round[r]) for r in rounds]
    known |= {"value": value, "baseline_value": reference_value}
    known |= {"numbers": tuple(rounds), "ours": tuple(ours), "theirs": tuple(theirs), "slack": tuple(slacks)}
    mine, reference = (doubt(measured, side, metric, definition) for side in (cell, base))
    if first := mine or reference:
        factor = (mine.factor if mine else 1.0) / (reference.factor if reference else 1.0)
        known |= {"doubt": first.sentence, "doubt_factor": factor}
    whole = Comparison(**known)
    estimated = _estimated(whole, looks)
    if run.floors is None or estimated.ratio is None:
        return estimated
    floor = run.floors.get((model, test, metric, definition), "its second place in the rounds gave no value")
    if isinstance(floor, str):
        reason = f"{NO_FLOOR}: {base[2]} can't be compared with itself ({floor})"
        return whole.but(reason=reason, comparable=False, doubt=None, doubt_factor=None)
    return _estimated(whole.but(floor=floor), looks)


def _estimated(found: Comparison, looks: Looks) -> Comparison:
    """With the estimate that the metric's scale has, over all rounds."""
    ours, theirs = found.ours, found.theirs
    if found.scale == "agreement":
        return found.but(agreement=share_of_equal(ours, theirs))
    if found.scale == "difference":
        mean = stats.paired_difference(ours, theirs, looks)
        return found.but(difference=mean.centre, interval=interval_of(mean))
    if min(*ours, *theirs) <= 0:
        return found.but(reason=NOT_POSITIVE, doubt=None, doubt_factor=None)
    ratio = ratio_at(found, looks)(len(ours), stats.ALPHA)
    assert found.value is not None, "positive values have a centre"
    assert found.baseline_value is not None, "positive values have a centre"
    difference = found.value - found.baseline_value
    return found.but(difference=difference, ratio=ratio.centre, interval=interval_of(ratio))


def _common_definition(measured: Measured, metric: str, base: Cell, cell: Cell) -> str | None:
    """The strictest definition by which both sides have a value in the same round."""
    for definition in measured.definitions(base, metric):
        if measured.values(base, metric, definition).keys() & measured.values(cell, metric, definition).keys():
            return definition
    return None


def _centre(scale: Scale, values: Sequence[float], definition: str) -> float | None:
    centre = centre_of(scale, values, spans=definition == RATE)
    return None if isinstance(centre, str) else centre.centre


def _common(
    measured: Measured, metric: str, definition: str, base: Cell, cell: Cell, rounds: Sequence[int]
) -> Common | None:
    ours, theirs = ({trial.round: trial for trial in measured.trials(side)} for side in (cell, base))
    return over_common_tokens(metric, definition, ours, theirs, rounds)
