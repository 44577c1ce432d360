"""A gate passes or fails only when the whole interval says so; and the exit code is the first line that holds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pytest
from builders import also, trial
from hypothesis import given
from hypothesis import strategies as st

from parity.compare import Measured, compare
from parity.config import Config
from parity.gates import Evidence
from parity.judging.exit import exit_of
from parity.judging.verdict import verdicts
from parity.records import Cell, Exit, Failure, NotRun, Trial, Verdict
from parity.stats import Looks

ONE, TWO = ("m", "t", "one"), ("m", "t", "two")
CPU = {"one": "cpu", "two": "cpu"}


def config(*gates: dict[str, object]) -> Config:
    return Config.model_validate(
        {
            "name": "c",
            "baseline": "one",
            "models": ({"name": "m", "source": "m"},),
            "tests": ({"name": "t", "prompt": "p", "max_tokens": 5},),
            "runtimes": {"one": {"adapter": "command"}, "two": {"adapter": "command"}},
            "gates": tuple({"name": f"g{k}", **gate} for k, gate in enumerate(gates)),
        }
    )


def evidence(
    trials: Sequence[Trial],
    *,
    devices: Mapping[str, str] = CPU,
    unset: frozenset[str] = frozenset(),
    not_run: Mapping[Cell, NotRun] | None = None,
) -> Evidence:
    return Evidence(
        baseline="one",
        trials=trials,
        comparisons=tuple(compare(Measured(trials, not_run), [ONE, TWO], "one")),
        platform="linux",
        devices=devices,
        unset=unset,
        not_run=not_run or {},
    )


def rates(ours: Sequence[float], base: Sequence[float], metric: str = "gen_tps") -> list[Trial]:
    return [
        *(trial("one", k, {metric: v}) for k, v in enumerate(base, start=1)),
        *(trial("two", k, {metric: v}) for k, v in enumerate(ours, start=1)),
    ]


def verdict(trials: Sequence[Trial], gate: dict[str, object], **fields: Any) -> Verdict:
    [found] = verdicts(config(gate), evidence(trials, **fields))
    return found


SPEED: dict[str, object] = {"kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}
HANGS: dict[str, object] = {"kind": "no-failed-trials"}
LOAD: dict[str, object] = {"kind": "bound", "metric": "load_s", "max": 2.0}
EVEN: dict[str, object] = {"kind": "consistency"}
BASE = [100.0, 101.0, 99.0, 100.0, 100.0]
LONGER = [*BASE, 100.0, 101.0, 99.0]


@pytest.mark.parametrize(
    ("ours", "word"),
    [
        ([95.0, 96.0, 94.0, 95.0, 95.0, 95.0, 96.0, 94.0], "PASS"),
        ([95.0, 96.0, 94.0, 95.0, 95.0], "INCONCLUSIVE"),
        ([125.0, 126.0, 124.0, 125.0, 125.0], "PASS"),
        ([50.0, 51.0, 49.0, 50.0], "INCONCLUSIVE"),
        ([50.0, 51.0, 49.0, 50.0, 50.0], "FAIL"),
        ([60.0, 110.0, 70.0, 90.0, 80.0], "INCONCLUSIVE"),
        ([95.0], "INCONCLUSIVE"),
        ([], "NOT RUN"),
    ],
)
def test_a_ratio_is_judged_by_its_whole_interval(ours: list[float], word: str) -> None:
    assert verdict(rates(ours, LONGER[: max(len(ours), 1)]), SPEED).verdict == word


def test_a_bound_on_a_count_takes_zero_as_a_value() -> None:
    idle = rates([0.0, 0.0, 0.1, 0.0, 0.1], [1.0] * 5, "gen_cores")
    gate: dict[str, object] = {"kind": "bound", "metric": "gen_cores", "max": 2.0}
    assert verdict(idle, gate).verdict == "PASS"
    assert verdict(idle, {"kind": "consistency", "metric": "gen_cores"}).verdict == "NOT COMPARABLE"


def test_a_two_sided_ratio_fails_on_either_side() -> None:
    two_sided = {**SPEED, "max_ratio": 1.25}
    assert verdict(rates([v * 2 for v in BASE], BASE), two_sided).verdict == "FAIL"
    assert verdict(rates([v * 0.5 for v in BASE], BASE), two_sided).verdict == "FAIL"
    assert verdict(rates(LONGER, LONGER), two_sided).verdict == "PASS"


@pytest.mark.parametrize(
    ("loads", "word"),
    [
        ([1.0, 1.1, 1.0, 1.05, 1.0], "PASS"),
        ([3.0, 3.1, 3.0, 3.05, 3.0], "FAIL"),
        ([1.5, 2.5, 2.0, 1.8, 2.2], "INCONCLUSIVE"),
        ([1.0], "INCONCLUSIVE"),
    ],
)
def test_a_bound_is_judged_by_its_whole_interval(loads: list[float], word: str) -> None:
    assert verdict(rates(loads, loads, "load_s"), LOAD).verdict == word


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([100.0, 100.5, 99.5, 100.0, 100.0], "PASS"),
        ([100.0, 10.0, 300.0, 50.0, 500.0], "FAIL"),
        ([100.0, 105.0, 95.0, 108.0, 92.0], "INCONCLUSIVE"),
        ([100.0], "INCONCLUSIVE"),
        ([], "NOT RUN"),
    ],
)
def test_consistency_is_judged_by_the_interval_of_a_runtimes_own_spread(values: list[float], word: str) -> None:
    assert verdict(rates(values, LONGER[: max(len(values), 1)]), EVEN).verdict == word


def test_what_all_runtimes_of_a_round_share_is_not_charged_to_one_of_them() -> None:
    machine = [100.0, 60.0, 130.0, 70.0, 150.0, 90.0, 50.0, 120.0, 80.0, 140.0]
    own = [v * f for v, f in zip(machine, [1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.01, 0.99, 1.0, 1.0], strict=True)]
    assert verdict(rates(own, machine), EVEN).verdict == "PASS"
    assert verdict(rates(own, [100.0] * 10), EVEN).verdict == "FAIL"


def test_a_speed_gate_on_unequal_prompts_is_not_comparable() -> None:
    trials = rates(BASE, BASE)
    assert trials[-1].identity is not None
    trials[-1] = trials[-1].but(identity=trials[-1].identity.but(prompt_ids_sha256="other"))
    assert verdict(trials, SPEED).verdict == "NOT COMPARABLE"


def test_good_rounds_without_the_metric_leave_a_gate_inconclusive() -> None:
    trials = [t if t.round < 4 else t.but(measurements=()) for t in rates(BASE, BASE)]
    found = verdict(trials, SPEED)
    assert found.verdict == "INCONCLUSIVE"
    assert "was measured in only 3 of 5 successful rounds" in found.sentence
    loads = rates([1.0, 1.0, 1.0, 1.0, 1.0], [1.0] * 5, "load_s")
    loads[-1] = loads[-1].but(measurements=())
    assert verdict(loads, LOAD).verdict == "INCONCLUSIVE"


def test_a_runtimes_own_report_is_no_evidence_for_a_bound() -> None:
    own = [trial("two", k, {"load_s": 0.1}, definition="runtime-report:x") for k in range(1, 6)]
    assert verdict(own, LOAD).verdict == "NOT COMPARABLE"


def test_a_ratio_of_what_both_sides_print_of_themselves_says_so() -> None:
    reported = "runtime-report:printed at the end"
    trials = [trial(side, k, {"gen_tps": 50.0}, definition=reported) for side in ("one", "two") for k in range(1, 9)]
    found = verdict(trials, {"name": "g", "kind": "ratio", "metric": "gen_tps", "min_ratio": 0.5})
    assert found.verdict == "PASS"
    assert found.sentence.startswith("gen_tps (self-reported by both runtimes) is 1× that of one")


def two_budgets(runtime: str, rate: float, shown: float) -> list[Trial]:
    """Eight rounds of 50 and 10 tokens; the long trials show `shown` tokens a second from token to token."""
    found = []
    for k in range(1, 9):
        long = trial(runtime, k, {"gen_tps": rate}, definition="two-budgets")
        short = trial(runtime, k, {}, kind="short")
        assert short.identity is not None
        few = short.identity.but(generated_tokens=10)
        found += [long.but(gaps_ns=(round(1e9 / shown),) * 49), short.but(identity=few)]
    return found


def test_a_rate_from_two_budgets_that_the_trials_contradict_leaves_gates_inconclusive() -> None:
    trials = [*two_budgets("one", 50.0, 50.0), *two_budgets("two", 100.0, 50.0)]
    ratio = verdict(trials, {"name": "g", "kind": "ratio", "metric": "gen_tps", "max_ratio": 1.25})
    assert ratio.verdict == "INCONCLUSIVE"
    assert "set `max_tokens` and `short_tokens` further apart" in ratio.sentence
    floor = {"name": "g", "kind": "bound", "metric": "gen_tps", "min": 70.0, "runtimes": ("two",)}
    confirmed = [*two_budgets("one", 50.0, 50.0), *two_budgets("two", 100.0, 100.0)]
    assert verdict(confirmed, floor).verdict == "PASS"
    assert verdict(trials, floor).verdict == "INCONCLUSIVE"


def test_a_doubt_says_nothing_where_both_readings_lead_to_the_same_verdict() -> None:
    trials = [*two_budgets("one", 50.0, 50.0), *two_budgets("two", 20.0, 25.0)]
    assert verdict(trials, SPEED).verdict == "FAIL"
    floor = {"name": "g", "kind": "bound", "metric": "gen_tps", "min": 70.0, "runtimes": ("two",)}
    assert verdict(trials, floor).verdict == "FAIL"
    assert verdict(trials, {**floor, "min": 22.0}).verdict == "INCONCLUSIVE"


def failed(kind: str, *, runtime: str = "two", warmup: bool = False) -> Trial:
    return trial(runtime, 9, {}, failure=Failure(kind=kind, message="because"), warmup=warmup)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("timeout:total", "FAIL"),
        ("crash:SIGKILL", "FAIL"),
        ("silent", "FAIL"),
        ("parse", "FAIL"),
        ("unavailable", "NOT RUN"),
        ("refused", "NOT RUN"),
        ("interrupted", "NOT RUN"),
    ],
)
def test_no_failed_trials_fails_on_what_ran_and_is_not_run_for_what_never_did(kind: str, word: str) -> None:
    assert verdict([*rates(BASE[:4], BASE[:4]), failed(kind)], HANGS).verdict == word


@pytest.mark.parametrize("gate", [SPEED, EVEN, {"kind": "bound", "metric": "gen_tps", "min": 1000.0}])
@pytest.mark.parametrize("ours", [95.0, 10.0])
def test_the_rounds_that_are_left_after_failures_decide_nothing(gate: dict[str, object], ours: float) -> None:
    trials = [*rates([ours] * 3, BASE), *(lost("timeout:total", "two", k) for k in (4, 5))]
    found = verdict(trials, {**gate, "runtimes": ("two",)})
    assert found.verdict == "INCONCLUSIVE"
    assert "2 of 5 measured rounds of two failed (timeout:total)" in found.sentence
    assert exit_code(trials, gate).code == 4


def test_lost_rounds_of_the_baseline_fail_nobody() -> None:
    trials = [*rates([10.0] * 5, BASE[:2]), *(lost("timeout:total", "one", k) for k in (3, 4, 5))]
    found = verdict(trials, SPEED)
    assert found.verdict == "INCONCLUSIVE"
    assert "3 of 5 measured rounds of one failed" in found.sentence
    assert verdict(trials, {"kind": "bound", "metric": "gen_tps", "max": 50.0}).verdict == "PASS"


def test_a_round_that_lost_its_shorter_budget_is_lost_and_warm_up_is_not_a_round() -> None:
    assert verdict([*rates(BASE, BASE), lost("stall", "two", 5, kind="short")], SPEED).verdict == "INCONCLUSIVE"
    assert verdict([*rates(BASE, BASE), lost("stall", "two", 1, warmup=True)], SPEED).verdict == "PASS"


def lost(failure: str, runtime: str, round: int, **fields: object) -> Trial:
    return trial(runtime, round, {}, failure=Failure(kind=failure, message="because"), **fields)


def test_a_program_that_parity_stopped_passes_only_with_a_whole_trial() -> None:
    stopped = [*rates([], BASE), *(trial("two", k, {}, stopped=True) for k in (1, 2, 3))]
    found = verdict(stopped, HANGS)
    assert found.verdict == "INCONCLUSIVE"
    assert "parity stopped 3 of them after the answer" in found.sentence
    assert "set `whole_trials = 1`" in found.sentence
    whole = verdict([*stopped, trial("two", 1, {}, kind="whole")], HANGS)
    assert whole.verdict == "PASS"
    assert "parity stopped 3 of them after the answer; 1 ran to its own end" in whole.sentence
    hung = trial("two", 1, {}, kind="whole", failure=Failure(kind="stall", message="because"))
    assert verdict([*stopped, hung], HANGS).verdict == "FAIL"


def test_a_trial_in_which_the_model_was_never_asked_anything_says_why_and_fails_nobody() -> None:
    setup = [*rates([], BASE), failed("unavailable", warmup=True), failed("unavailable")]
    for left in ({}, not_run("given up")):
        found = verdict(setup, HANGS, not_run=left)
        assert (found.verdict, found.sentence) == (
            "NOT RUN",
            "unavailable: because; `parity doctor` says what is missing",
        )
    assert exit_code(setup, HANGS).code == 4


def test_a_program_that_refuses_a_job_is_not_looked_for() -> None:
    found = verdict([*rates([], BASE), failed("refused")], HANGS)
    assert (found.verdict, found.sentence) == ("NOT RUN", "refused: because")


@pytest.mark.parametrize(("max_cv", "shown"), [(0.125, "12.5%"), (0.004, "0.4%"), (0.1, "10%"), (0.0005, "0.05%")])
def test_the_variation_that_is_asked_is_shown_as_it_was_written(max_cv: float, shown: str) -> None:
    found = verdict(rates(BASE, BASE), {"kind": "consistency", "max_cv": max_cv})
    assert f"at most {shown}" in found.sentence


def test_a_hang_in_warm_up_is_a_hang() -> None:
    assert verdict([*rates(BASE, BASE), failed("timeout:load", warmup=True)], HANGS).verdict == "FAIL"


def test_no_failed_trials_needs_every_planned_trial() -> None:
    assert verdict(rates(BASE, BASE), HANGS).verdict == "PASS"
    assert verdict(rates(BASE[:4], BASE), HANGS, not_run=not_run("interrupted")).verdict == "NOT RUN"
    assert verdict([], HANGS).verdict == "NOT RUN"


def not_run(kind: Literal["unavailable", "build", "given up", "interrupted"], cell: Cell = TWO) -> dict[Cell, NotRun]:
    model, test, runtime = cell
    return {cell: NotRun(model=model, test=test, runtime=runtime, kind=kind, planned=5, ran=0, reason="because")}


@pytest.mark.parametrize("gate", [SPEED, HANGS, LOAD, EVEN])
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("unavailable", "unavailable: because"),
        ("build", "its build failed: because"),
        ("given up", "given up: because"),
    ],
)
def test_gates_of_a_cell_that_could_not_be_run_are_not_run_with_the_reason(
    gate: dict[str, object], kind: Literal["unavailable", "build", "given up"], sentence: str
) -> None:
    found = verdict(rates([], BASE), gate, not_run=not_run(kind))
    assert (found.verdict, found.sentence) == ("NOT RUN", sentence)


def test_a_cell_that_was_given_up_after_hangs_fails_its_gate_on_hangs_and_no_other() -> None:
    trials = [*rates([], BASE), failed("timeout:total", warmup=True), failed("timeout:total")]
    assert verdict(trials, HANGS, not_run=not_run("given up")).verdict == "FAIL"
    for gate in (SPEED, LOAD, EVEN):
        assert verdict(trials, gate, not_run=not_run("given up")).verdict == "NOT RUN"


def test_a_cell_that_was_given_up_for_what_is_no_hang_fails_no_gate() -> None:
    found = verdict([*rates([], BASE), failed("refused")], HANGS, not_run=not_run("given up"))
    assert found.verdict == "NOT RUN"


def test_a_comparison_with_a_baseline_that_was_not_run_is_not_run() -> None:
    found = verdict(rates(BASE, []), SPEED, not_run=not_run("unavailable", ONE))
    assert (found.verdict, found.sentence) == ("NOT RUN", "one is unavailable: because")
    assert verdict(rates(BASE, []), HANGS, not_run=not_run("unavailable", ONE)).verdict == "PASS"


def test_an_interrupted_cell_is_judged_by_the_trials_that_ran() -> None:
    assert verdict(rates(BASE, BASE), SPEED, not_run=not_run("interrupted")).verdict == "PASS"
    assert verdict(rates(BASE[:4], BASE), HANGS, not_run=not_run("interrupted")).verdict == "NOT RUN"
    hung = [*rates(BASE[:3], BASE), failed("stall")]
    assert verdict(hung, HANGS, not_run=not_run("interrupted")).verdict == "FAIL"


@pytest.mark.parametrize(
    ("metric", "scale", "gate", "side"),
    [
        ("gen_tps", 0.5, {"min_ratio": 0.8}, "slow"),
        ("gen_tps", 2.0, {"max_ratio": 1.25}, "fast"),
        ("load_s", 2.0, {"max_ratio": 1.25}, "slow"),
        ("load_s", 0.5, {"min_ratio": 0.8}, "fast"),
        ("gen_tps", 1.5, {"min_ratio": 2.0}, "fast"),
        ("peak_rss_bytes", 2.0, {"max_ratio": 1.25}, None),
    ],
)
def test_a_failed_ratio_of_a_speed_says_on_which_side_of_the_baseline_it_lies(
    metric: str, scale: float, gate: dict[str, object], side: str | None
) -> None:
    found = verdict(rates([v * scale for v in BASE], BASE, metric), {"kind": "ratio", "metric": metric, **gate})
    assert (found.verdict, found.failed_side, found.compares) == ("FAIL", side, True)


@pytest.mark.parametrize(
    ("metric", "gate", "side"),
    [
        ("gen_tps", {"min": 200.0}, "slow"),
        ("gen_tps", {"max": 50.0}, "fast"),
        ("load_s", {"max": 50.0}, "slow"),
        ("load_s", {"min": 200.0, "max": 300.0}, "fast"),
    ],
)
def test_a_failed_bound_of_a_speed_says_which_way_it_failed(metric: str, gate: dict[str, object], side: str) -> None:
    found = verdict(rates(BASE, BASE, metric), {"kind": "bound", "metric": metric, **gate})
    assert (found.verdict, found.failed_side, found.compares) == ("FAIL", side, False)


def test_a_gate_that_does_not_fail_has_no_side() -> None:
    assert verdict(rates(BASE, BASE), SPEED).failed_side is None
    assert verdict(rates([50.0, 500.0], [100.0, 100.0]), SPEED).failed_side is None


def test_a_gate_elsewhere_is_not_applicable() -> None:
    there = {**LOAD, "when": {"platform": "darwin"}}
    assert verdict(rates([1.0, 1.0], [1.0, 1.0], "load_s"), there).verdict == "NOT APPLICABLE"
    metal = {**LOAD, "when": {"device": "metal"}}
    assert verdict(rates([1.0, 1.0], [1.0, 1.0], "load_s"), metal).verdict == "NOT APPLICABLE"
    found = verdict(rates([1.0, 1.1], [1.0, 1.0], "load_s"), metal, devices={"two": "Apple GPU (Metal)"})
    assert found.verdict != "NOT APPLICABLE"


def test_a_gate_on_a_device_that_was_not_reported_is_not_run() -> None:
    metal = {**LOAD, "when": {"device": "metal"}}
    assert verdict(rates([1.0, 1.0], [1.0, 1.0], "load_s"), metal, devices={}).verdict == "NOT RUN"


def test_the_gates_of_a_runtime_that_is_not_set_are_not_applicable() -> None:
    assert verdict([], SPEED, unset=frozenset({"two"})).verdict == "NOT APPLICABLE"


def exit_code(
    trials: Sequence[Trial], *gates: dict[str, object], interrupted: bool = False, started: int = 1, **fields: Any
) -> Exit:
    found = evidence(trials, **fields)
    judged = tuple(verdicts(config(*gates), found))
    cells = [cell for cell in (ONE, TWO) if cell[2] not in found.unset]
    return exit_of(found, judged, interrupted=interrupted, started=started, gates=len(gates), cells=cells)


GOOD = rates(BASE, BASE)


def test_exit_codes_in_their_order() -> None:
    assert exit_code(GOOD, SPEED, HANGS).code == 0
    assert exit_code(GOOD, SPEED, interrupted=True).code == 130
    assert exit_code(GOOD, SPEED, started=0).code == 5
    assert exit_code(rates([10.0] * 5, BASE), SPEED).code == 1
    assert exit_code([*GOOD, failed("timeout:total")], SPEED, HANGS).code == 1
    assert exit_code([*GOOD, failed("timeout:total")], SPEED).code == 4
    assert exit_code([*GOOD, failed("crash:SIGSEGV", runtime="one")], SPEED).code == 4
    assert exit_code(rates([], BASE), SPEED).code == 4
    assert exit_code(rates([], BASE), SPEED, HANGS, not_run=not_run("unavailable")).code == 4
    assert exit_code(GOOD, SPEED, unset=frozenset({"two"})).code == 4
    assert exit_code(rates([60.0, 110.0, 70.0, 90.0, 80.0], BASE), SPEED).code == 3


def test_a_baseline_of_which_every_trial_failed_is_no_success_whatever_the_gates_read() -> None:
    crashed = [failed("crash:SIGSEGV", runtime="one"), failed("crash:SIGSEGV", runtime="one", warmup=True)]
    found = exit_code([*rates(BASE, []), *crashed], HANGS)
    assert (found.code, found.reason) == (4, "required trials failed: one on t (crash:SIGSEGV)")
    assert exit_code([*GOOD, crashed[0]], HANGS).code == 0


def test_a_config_without_gates_is_a_measurement_that_succeeds_where_every_trial_does() -> None:
    assert exit_code(GOOD).code == 0
    found = exit_code([*GOOD, failed("crash:SIGSEGV")])
    assert (found.code, found.reason) == (4, "the config has no gates, and trials failed: two on t (crash:SIGSEGV)")
    absent = exit_code(rates([], BASE), not_run=not_run("unavailable"))
    assert absent.code == 4
    assert absent.reason.startswith("the config has no gates, and not every trial ran: two on t (")
    assert exit_code(GOOD, interrupted=True).code == 130
    assert exit_code(GOOD, started=0).code == 5
    assert exit_code(GOOD, unset=frozenset({"two"})).code == 0


def test_without_gates_a_deadline_missed_on_a_busy_machine_is_no_success_unless_a_later_attempt_succeeded() -> None:
    late = trial("two", 6, {}, failure=Failure(kind="timeout:total", message="late"), void="busy")
    found = exit_code([*GOOD, late])
    assert found.code == 4
    assert found.reason.endswith("no later attempt succeeded: two on t (timeout:total)")
    assert exit_code([*GOOD, late, late.but(attempt=2)]).code == 4
    assert exit_code([*GOOD, late.but(warmup=True)]).code == 4
    assert exit_code([*GOOD, late, trial("two", 6, {"gen_tps": 100.0}, attempt=2)]).code == 0


def test_without_gates_a_runtime_of_which_no_measured_trial_gave_a_result_is_no_success() -> None:
    found = exit_code([*rates([], BASE), trial("two", 1, {}, warmup=True)])
    assert (found.code, found.reason) == (4, "the config has no gates, and no measured trial gave a result: two on t")


@pytest.mark.parametrize("kind", ["unavailable", "build"])
def test_a_baseline_that_can_not_run_here_is_no_success_whatever_the_gates_read(
    kind: Literal["unavailable", "build"],
) -> None:
    found = exit_code(rates([], BASE), HANGS, not_run=not_run(kind, ("m", "t", "one")))
    assert (found.code, found.reason) == (4, "there was no baseline to compare with: one on t")
    assert exit_code(GOOD, HANGS, not_run=not_run("interrupted", ("m", "t", "one"))).code == 0


def test_advice_never_decides_the_exit_code() -> None:
    advice = {**LOAD, "required": False}
    assert exit_code(GOOD, SPEED, advice).code == 0
    assert exit_code(GOOD, advice).code == 4


def test_a_failed_gate_outranks_an_undecided_one() -> None:
    slow = {"kind": "bound", "metric": "gen_tps", "min": 1000.0}
    assert exit_code(rates([60.0, 110.0, 70.0, 90.0, 80.0], BASE), SPEED, slow).code == 1


@given(
    st.lists(st.floats(min_value=1, max_value=1e4), min_size=1, max_size=8),
    st.floats(min_value=0.05, max_value=20),
)
def test_no_gate_passes_that_would_fail_the_other_way_round(values: list[float], bound: float) -> None:
    """PASS of `≥ b` and PASS of `≤ b` exclude each other, but for an interval that is the bound itself."""
    trials = rates(values, [100.0] * len(values))
    least = verdict(trials, {"kind": "ratio", "metric": "gen_tps", "min_ratio": bound})
    most = verdict(trials, {"kind": "ratio", "metric": "gen_tps", "max_ratio": bound})
    if least.verdict == most.verdict == "PASS":
        assert least.value is not None
        assert math.isclose(least.value, bound, rel_tol=1e-9)
    assert {least.verdict, most.verdict} != {"FAIL"}


def test_figures_printed_without_decimals_widen_the_interval() -> None:
    # Printed 8 and 10, where the truth may be 7.55 and 10.45.
    trials = rates([8.0] * 10, [10.0] * 10)
    assert verdict(trials, SPEED).verdict == "PASS"
    rounded = [t.but(measurements=tuple(m.but(resolution=0.5) for m in t.measurements)) for t in trials]
    found = verdict(rounded, SPEED)
    assert found.verdict == "INCONCLUSIVE"
    assert found.interval is not None
    assert found.interval.low <= 7.5 / 10.5
    assert found.interval.high >= 8.5 / 9.5
    floor = {"name": "g", "kind": "bound", "metric": "gen_tps", "min": 7.8, "runtimes": ("two",)}
    assert verdict(trials, floor).verdict == "PASS"
    assert verdict(rounded, floor).verdict == "INCONCLUSIVE"


def test_consistency_of_a_rate_from_two_trials_is_judged_by_what_each_trial_shows() -> None:
    rough = [50.0, 70.0, 40.0, 65.0, 45.0, 72.0, 41.0, 60.0, 48.0, 66.0]
    even = [2.0, 2.02, 1.99, 2.01, 2.0, 1.98, 2.02, 2.0, 1.99, 2.01]
    trials = []
    for k, (rate, total) in enumerate(zip(rough, even, strict=True), start=1):
        trials.append(trial("one", k, {"gen_tps": rate}, definition="two-budgets"))
        black_box = trial("two", k, {"gen_tps": rate}, definition="two-budgets")
        trials.append(also(black_box, "start-to-text", {"total_s": total}))
    found = verdict(trials, EVEN)
    assert found.verdict == "PASS"
    assert found.sentence.startswith("total_s of each trial (gen_tps is from pairs of trials) varies by 0.")


def test_a_lonely_outlier_is_set_aside_and_shown_and_two_modes_are_named() -> None:
    steady = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 50.0, 101.0, 99.0, 100.0]
    found = verdict(rates(steady, [*LONGER, 100.0, 100.5]), EVEN)
    assert found.verdict == "PASS"
    assert "round 7 set aside as outlier (generalised ESD test at 1%)" in found.sentence
    modes = [100.0, 150.0, 101.0, 151.0, 149.0, 99.0, 150.0, 100.5, 99.5, 150.5]
    found = verdict(rates(modes, [*LONGER, 100.0, 100.5]), EVEN)
    assert found.verdict == "FAIL"
    assert "two modes, 1.50× apart (5 and 5 rounds)" in found.sentence


def test_outputs_that_differ_between_rounds_are_inconsistent_where_tokens_are_not_sampled() -> None:
    trials = [t.but(text="other" if (t.runtime, t.round) == ("two", 3) else "same") for t in rates(LONGER, LONGER)]
    greedy = replace(evidence(trials), greedy=frozenset({"t"}))
    [found] = verdicts(config(EVEN), greedy)
    assert found.verdict == "FAIL"
    assert "3 of 8 rounds gave a different text" in found.sentence
    assert verdict(trials, EVEN).verdict == "PASS"


def test_a_fail_among_many_gates_needs_a_wider_interval_and_a_pass_does_not() -> None:
    ours = [72.0, 78.0, 69.0, 76.0, 72.0, 78.0, 70.0, 75.0]
    alone = replace(evidence(rates(ours, [100.0] * 8)), looks=Looks(20))
    among = replace(alone, fail_tail=0.05 / 40)
    for gate, words in ((SPEED, ("FAIL", "INCONCLUSIVE")), ({**SPEED, "min_ratio": 0.66}, ("PASS", "PASS"))):
        assert tuple(next(iter(verdicts(config(gate), found))).verdict for found in (alone, among)) == words
    advice = {**SPEED, "required": False}
    assert next(iter(verdicts(config(advice), among))).verdict == "FAIL"


def test_an_undecided_rate_from_two_budgets_says_that_budgets_further_apart_would_help() -> None:
    rough = [0.7, 0.9, 0.75, 0.95, 0.72, 0.88, 0.8, 0.85]
    trials = [trial("one", k, {"gen_tps": 100.0}, definition="two-budgets") for k in range(1, 9)]
    trials += [trial("two", k, {"gen_tps": 100 * v}, definition="two-budgets") for k, v in enumerate(rough, start=1)]
    assert verdict(trials, SPEED).sentence.endswith("; or set `max_tokens` and `short_tokens` further apart")
    by_stamps = rates([100 * v for v in rough], [100.0] * 8)
    found = verdict(by_stamps, SPEED)
    assert found.verdict == "INCONCLUSIVE"
    assert "more rounds would decide this at the present spread" in found.sentence
    assert "further apart" not in found.sentence


def ended_by_itself(found: Trial) -> Trial:
    assert found.identity is not None
    return found.but(identity=found.identity.but(ended_early=True, generated_tokens=3))


@pytest.mark.parametrize(
    "gate", [SPEED, {"kind": "bound", "metric": "gen_tps", "min": 1.0}, {"kind": "consistency", "max_cv": 0.5}]
)
def test_no_rate_of_three_tokens_is_judged_where_the_budget_is_larger(gate: dict[str, object]) -> None:
    found = verdict([ended_by_itself(t) for t in rates(LONGER, LONGER)], gate)
    assert found.verdict == "NOT COMPARABLE"
    assert "ended after 3 tokens" in found.sentence
    assert verdict([ended_by_itself(t) for t in rates(LONGER, LONGER, "load_s")], {**LOAD, "max": 200.0}).verdict == (
        "PASS"
    )


def with_output(trials: Sequence[Trial], odd: str | None, **fields: object) -> list[Trial]:
    """The trials with the hash of their ids, which is `odd` in round 3 of `two`."""
    return [
        t.but(
            identity=t.identity.but(output_ids_sha256=odd if (t.runtime, t.round) == ("two", 3) else "same", **fields)
        )
        for t in trials
        if t.identity is not None
    ]


def test_greedy_output_is_judged_by_its_tokens_where_all_trials_show_them_and_by_its_text() -> None:
    def judged(trials: Sequence[Trial]) -> Verdict:
        return next(iter(verdicts(config(EVEN), replace(evidence(trials), greedy=frozenset({"t"})))))

    trials = rates(LONGER, LONGER)
    texts = [t.but(text=str(t.round)) for t in trials]
    assert judged(with_output(trials, "same")).verdict == "PASS"
    differs = judged(with_output(trials, "other"))
    assert differs.verdict == "FAIL"
    assert "3 of 8 rounds gave other tokens" in differs.sentence
    for ids in ("same", None):
        assert "gave a different text" in judged(with_output(texts, ids)).sentence


@pytest.mark.parametrize("sampling", ["temperature 0.7", None])
def test_output_of_trials_that_sample_or_do_not_say_how_is_not_judged_as_greedy(sampling: str | None) -> None:
    trials = with_output(rates(LONGER, LONGER), "other", sampling=sampling)
    [found] = verdicts(config(EVEN), replace(evidence(trials), greedy=frozenset({"t"})))
    assert found.verdict == "PASS"


def test_consistency_is_judged_by_the_rounds_that_are_left_where_void_ones_were_left_out() -> None:
    steps = [0.0, 9.0, -8.0, 7.0, -9.0, 10.0, -6.0]
    trials = rates([100 + steps[k % 7] for k in range(20)], [LONGER[k % 8] for k in range(20)])
    kept = [t for t in trials if t.round not in (4, 9, 13)]
    void = [t.but(void="the machine was busy") for t in trials if t.round in (4, 9, 13)]
    whole = replace(evidence(kept), looks=Looks(20), void=void)
    [found] = verdicts(config({**EVEN, "max_cv": 0.10}), whole)
    assert (found.verdict, found.rounds) == ("INCONCLUSIVE", 17)
    assert "over 17 rounds" in found.sentence
    assert found.sentence.endswith("set `rounds.max` higher to decide this")
    cut = [t for t in kept if t.round <= 19]
    [early] = verdicts(config({**EVEN, "max_cv": 0.10}), replace(evidence(cut), looks=Looks(20), void=void))
    assert early.verdict == "INCONCLUSIVE"
    assert "judged again after 20 rounds" in early.sentence


def test_a_drift_of_the_only_runtime_is_no_fail_and_no_pass() -> None:
    steps = [0.0, 0.02, -0.02, 0.01, -0.01]
    drifting = [100 * math.exp(-0.02 * k + steps[k % 5]) for k in range(20)]
    only = [t for t in rates(drifting, drifting) if t.runtime == "two"]
    found = verdict(only, EVEN)
    assert found.verdict == "INCONCLUSIVE"
    assert "no other runtime shows whether it is the machine's" in found.sentence
    assert found.sentence.endswith("measure a second runtime in the same rounds, such as the baseline")
    steady = [100 * math.exp(steps[k % 5]) for k in range(20)]
    assert verdict([t for t in rates(steady, steady) if t.runtime == "two"], EVEN).verdict == "PASS"
    wild = [100 * math.exp(-0.02 * k + 15 * steps[k % 5]) for k in range(20)]
    assert verdict([t for t in rates(wild, wild) if t.runtime == "two"], EVEN).verdict == "FAIL"


def test_rounds_do_not_decide_what_the_printed_digits_leave_open() -> None:
    trials = [
        t.but(measurements=tuple(m.but(resolution=5.0) for m in t.measurements))
        for t in rates([83.0] * 8, [100.0, 100.5, 99.5, 100.0, 100.2, 99.8, 100.0, 100.0])
    ]
    found = verdict(trials, SPEED)
    assert found.verdict == "INCONCLUSIVE"
    assert "more rounds would not decide this" in found.sentence
    assert "would decide this at the present spread" not in found.sentence
