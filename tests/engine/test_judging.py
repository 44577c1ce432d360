"""A run is judged from its facts and trials alone: no disk, no clock, the same report each time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from builders import MODEL, transcript, trial

from parity.adapter import Availability
from parity.config import Config, LoadedConfig
from parity.explain import Traced, unfold
from parity.explain.building import explain_metric
from parity.judging.report import RunFacts, judge
from parity.judging.warnings import rounds_of
from parity.reading.dictionary import METRICS
from parity.records import Cell, Departure, Failure, NotRun, Trial
from parity.stats import ONCE
from parity.transcript.numbers import LineNumbers

ONE, TWO = ("m", "t", "one"), ("m", "t", "two")
CELLS = (TWO, ONE)
READY = Availability(ready=True, version="1", device="cpu")


def config(**fields: object) -> Config:
    return Config.model_validate(
        {
            "name": "c",
            "baseline": "one",
            "models": ({"name": "m", "source": "m"},),
            "tests": ({"name": "t", "prompt": "p", "max_tokens": 50, "short_tokens": 10},),
            "runtimes": {"one": {"adapter": "command"}, "two": {"adapter": "command", "title": "Two"}},
            "gates": (
                {"name": "hangs", "kind": "no-failed-trials"},
                {"name": "speed", "kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8},
            ),
            **fields,
        }
    )


def facts(
    *,
    runtimes: dict[str, Availability] | None = None,
    not_run: tuple[NotRun, ...] = (),
    not_set: tuple[str, ...] = (),
    spawned: int = 6,
    interrupted: bool = False,
) -> RunFacts:
    loaded = LoadedConfig(
        file="/c.toml",
        text="",
        sha256="c" * 64,
        config=config(),
        settings={"one": {"program": "one"}, "two": {"program": ""}},
        not_set=not_set,
    )
    return RunFacts(
        name="run",
        started="2031-01-02T03:04:05Z",
        parity_version="0",
        loaded=loaded,
        models=(MODEL,),
        machine={"platform": "linux"},
        runtimes={"one": READY, "two": READY} if runtimes is None else runtimes,
        cells=CELLS,
        not_run=not_run,
        spawned=spawned,
        interrupted=interrupted,
    )


def rates(runtime: str, *values: float) -> list[Trial]:
    return [trial(runtime, k, {"gen_tps": value}) for k, value in enumerate(values, start=1)]


RATES = [100.0, 101.0, 99.0, 100.0, 101.0, 99.0, 100.0, 100.0]
GOOD = [*rates("one", *RATES), *rates("two", *RATES)]


def not_run(cell: Cell, kind: Literal["unavailable", "build", "given up", "interrupted"]) -> NotRun:
    model, test, runtime = cell
    return NotRun(model=model, test=test, runtime=runtime, kind=kind, planned=3, ran=0, reason="because")


def words(trials: Sequence[Trial], given: RunFacts) -> dict[str, str]:
    return {verdict.gate: verdict.verdict for verdict in judge(given, trials).verdicts}


def test_a_good_run_passes_and_its_report_holds_its_cells_in_the_order_of_the_config() -> None:
    report = judge(facts(), GOOD)
    assert report.exit.code == 0
    assert list(dict.fromkeys(s.runtime for s in report.summaries)) == ["one", "two"]
    assert judge(facts(), GOOD) == report


@pytest.mark.parametrize("kind", ["unavailable", "build"])
def test_a_runtime_that_could_not_be_used_has_no_trials_and_its_gates_are_not_run(
    kind: Literal["unavailable", "build"],
) -> None:
    gone = facts(
        runtimes={"one": READY, "two": Availability(ready=False, reason="because", remedy="install it")},
        not_run=(not_run(TWO, kind),),
        spawned=3,
    )
    report = judge(gone, rates("one", 100.0, 101.0, 99.0))
    assert {v.gate: v.verdict for v in report.verdicts} == {"hangs": "NOT RUN", "speed": "NOT RUN"}
    assert {t.runtime for t in report.trials} == {"one"}
    assert report.not_run == gone.not_run
    assert report.exit.code == 4
    [two] = [runtime for runtime in report.runtimes if runtime.name == "two"]
    assert (two.status, two.reason, two.remedy) == ("unavailable", "because", "install it")
    missing = [s for s in report.summaries if s.runtime == "two"]
    assert {s.reason for s in missing} == {f"{kind}: because"}


SAVED = Departure(fact="stamps", sentence="its stamps were saved", metrics=("gen_tps",))


def alone(**fields: object) -> RunFacts:
    given = facts(runtimes={"one": READY})
    return replace(given, cells=(ONE,), loaded=given.loaded.but(config=config(gates=(), **fields)))


def test_what_a_runtime_did_not_run_as_asked_is_a_warning_where_nothing_is_compared_or_judged() -> None:
    trials = [one.but(departures=(SAVED,)) for one in rates("one", *RATES)]
    [said] = judge(alone(), trials).warnings
    assert said.startswith("one · t: its stamps were saved (in 8 trials); ")


@pytest.mark.parametrize(
    "known",
    [
        Departure(fact="stamps", sentence="nothing shows its stamps", unproven=True),
        Departure(fact="threads", sentence="it ran with two threads"),
    ],
)
def test_a_fact_that_nothing_shows_and_one_that_is_declared_are_no_warning(known: Departure) -> None:
    declared = ({"fact": "threads", "runtimes": ("one",), "reason": "on purpose"},)
    assert judge(alone(declare=declared), [trial("one", 1, {"gen_tps": 1.0}, departures=(known,))]).warnings == ()


def test_what_a_verdict_says_of_a_runtime_is_no_warning_too() -> None:
    trials = [*(one.but(departures=(SAVED,)) for one in rates("one", *RATES)), *rates("two", *RATES)]
    report = judge(facts(), trials)
    assert "its stamps were saved" in next(v.sentence for v in report.verdicts if v.gate == "speed")
    assert report.warnings == ()


def test_a_definition_that_one_side_lacks_is_explained_with_the_reason() -> None:
    own = [trial("two", 1, {"gen_tps": 9.0}, definition="runtime-report:own")]
    absent = METRICS["gen_tps"].absent("it shows no token", "token-stamps")
    two = [one.but(measurements=(absent, *one.measurements)) for one in own]
    report = judge(facts(), [trial("one", 1, {"gen_tps": 9.0}), *two])
    printed = transcript()
    unread = Traced("trial", printed, unfold(printed), (), LineNumbers())
    shown = explain_metric(report, TWO, "gen_tps", lambda _: unread, ONCE).definition
    assert shown is not None
    assert (shown.id, shown.others) == ("runtime-report:own", {"token-stamps": "one only; two: it shows no token"})


def test_a_run_in_which_nothing_started_exits_with_5_and_an_interrupted_one_with_130() -> None:
    nothing = facts(not_run=(not_run(ONE, "unavailable"), not_run(TWO, "unavailable")), spawned=0)
    assert judge(nothing, []).exit.code == 5
    assert judge(facts(interrupted=True), GOOD).exit.code == 130


def test_a_cell_that_was_given_up_after_a_hang_fails_the_gate_on_hangs_alone() -> None:
    hung = trial("two", 1, {}, failure=Failure(kind="stall", message="no output"))
    given_up = facts(not_run=(not_run(TWO, "given up"),))
    assert words([*rates("one", 100.0, 101.0, 99.0), hung], given_up) == {"hangs": "FAIL", "speed": "NOT RUN"}


def test_gates_of_a_runtime_that_is_not_set_are_not_applicable_and_it_says_why() -> None:
    report = judge(facts(runtimes={"one": READY}, not_set=("two",)), rates("one", 100.0, 101.0, 99.0))
    assert {v.verdict for v in report.verdicts} == {"NOT APPLICABLE"}
    [two] = [runtime for runtime in report.runtimes if runtime.name == "two"]
    assert (two.status, two.reason) == ("not set", "it is optional, and its setting `program` is empty")


def test_each_warning_of_a_cell_is_reported_once_with_its_rounds() -> None:
    odd = [t.but(warnings=("left 1 process(es) behind",)) if t.round > 6 else t for t in GOOD]
    early = odd[-1].identity
    assert early is not None
    odd[-1] = odd[-1].but(identity=early.but(ended_early=True, generated_tokens=20))
    assert judge(facts(), odd).warnings == (
        "one · t, rounds 7, 8: left 1 process(es) behind",
        "Two · t, rounds 7, 8: left 1 process(es) behind",
        "Two · t, round 8: sampled 20 of 50 tokens; set `ignore_end = true` in the test if each is to "
        "generate all of them",
    )


def test_warm_up_rounds_are_named_apart() -> None:
    trials = [trial("one", k, {}, warmup=warmup) for k, warmup in ((1, True), (2, False), (3, False))]
    assert rounds_of(trials) == "warm-up round 1 and rounds 2, 3"
