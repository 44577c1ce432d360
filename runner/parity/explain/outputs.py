"""How a verdict on outputs came about: which trials scored what, and where the two sides lie farthest apart. Pure."""

from parity.explain.records import Farthest, OutputsExplained, ScoreTrial
from parity.judging.outputs import compared_in
from parity.outputs.distances import kl_at_least
from parity.outputs.pair import Pair
from parity.records import OWN, SHARED, Cell, OutputVerdict, Report, Trial


def outputs_of(report: Report, cell: Cell) -> OutputsExplained | None:
    """Of a cell, beside the baseline; None where nothing was scored or judged."""
    model, test, runtime = cell
    names = dict.fromkeys((report.baseline, runtime))
    scored = [t for t in report.score_trials if (t.model, t.test) == (model, test)]
    scored = [t for t in scored if t.kind == "exact" or t.runtime in names]
    verdict = next((v for v in report.outputs if (v.model, v.test, v.runtime) == cell), None)
    if verdict is None and not scored:
        return None
    return OutputsExplained(
        verdict=verdict,
        scored=tuple(_score_trial(trial, report) for trial in scored),
        farthest=_farthest(report, verdict) if verdict is not None else None,
    )


def _score_trial(trial: Trial, report: Report) -> ScoreTrial:
    failure, what = trial.failure, _sequence(trial.round, report)
    return ScoreTrial(
        runtime=trial.runtime,
        file=trial.file,
        what=f"{what}, in the exact arm" if trial.kind == "exact" else what,
        ids=_ids(trial) if trial.scores else None,
        failure=f"{failure.kind}: {failure.message}" if failure is not None else None,
    )


def _ids(trial: Trial) -> int:
    return len(trial.scores) + (len(trial.prompt_ids or ()) if trial.answer_scored else 1)


def _sequence(number: int, report: Report) -> str:
    """What is scored in a round."""
    if number in (SHARED, OWN):
        return "the sequence that all score" if number == SHARED else "its own answer"
    return f"the text of {report.runtimes[number - OWN - 1].name}"


def _farthest(report: Report, verdict: OutputVerdict) -> Farthest | None:
    compared = compared_in(report, verdict.model, verdict.test)
    pair = Pair(compared, compared.sides[verdict.baseline], compared.sides[verdict.runtime])
    if pair.sequence is None or pair.both_scored is None:
        return None
    one, other = pair.both_scored
    kl, theirs, ours = max(((kl_at_least(a, b)[0], a, b) for a, b in zip(one, other, strict=True)), key=lambda x: x[0])
    number = theirs.position - pair.sequence.prompt_tokens + 1
    return Farthest(
        position=theirs.position,
        token=number if number > 0 else None,
        id=theirs.id,
        kl=kl,
        theirs=theirs.top,
        ours=ours.top,
    )
