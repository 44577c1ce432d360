"""A gate passes or fails only when the whole interval says so; and the exit code is the first line that holds."""

import math
from collections.abc import Sequence

import pytest
from builders import also, trial
from hypothesis import given
from hypothesis import strategies as st

from parity.compare import Measured, compare
from parity.config import Config
from parity.judging.verdict import Evidence, exit_of, judge
from parity.records import Exit, Failure, Trial, Verdict

ONE, TWO = ("m", "t", "one"), ("m", "t", "two")


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


def evidence(trials: Sequence[Trial], *gates: dict[str, object], **fields: object) -> Evidence:
    whole = {
        "config": config(*gates),
        "trials": trials,
        "comparisons": tuple(compare(Measured(trials), [ONE, TWO], "one")),
        "planned": {ONE: 5, TWO: 5},
        "platform": "linux",
        "devices": {"one": "cpu", "two": "cpu"},
        **fields,
    }
    return Evidence(**whole)  # type: ignore[arg-type]


def rates(ours: Sequence[float], base: Sequence[float], metric: str = "gen_tps") -> list[Trial]:
    return [
        *(trial("one", k, {metric: v}) for k, v in enumerate(base, start=1)),
        *(trial("two", k, {metric: v}) for k, v in enumerate(ours, start=1)),
    ]


def verdict(trials: Sequence[Trial], gate: dict[str, object], **fields: object) -> Verdict:
    [found] = judge(evidence(trials, gate, **fields))
    return found


SPEED: dict[str, object] = {"kind": "ratio", "metric": "gen_tps", "min_ratio": 0.8}
HANGS: dict[str, object] = {"kind": "no-failed-trials"}
LOAD: dict[str, object] = {"kind": "bound", "metric": "load_s", "max": 2.0}
EVEN: dict[str, object] = {"kind": "consistency"}
BASE = [100.0, 101.0, 99.0, 100.0, 100.0]


@pytest.mark.parametrize(
    ("ours", "word"),
    [
        ([95.0, 96.0, 94.0, 95.0, 95.0], "PASS"),
        ([50.0, 51.0, 49.0, 50.0, 50.0], "FAIL"),
        ([60.0, 110.0, 70.0, 90.0, 80.0], "INCONCLUSIVE"),
        ([95.0], "INCONCLUSIVE"),
        ([], "NOT RUN"),
    ],
)
def test_a_ratio_is_judged_by_its_whole_interval(ours: list[float], word: str) -> None:
    assert verdict(rates(ours, BASE[: max(len(ours), 1)]), SPEED).verdict == word


def test_a_two_sided_ratio_fails_on_either_side() -> None:
    two_sided = {**SPEED, "max_ratio": 1.25}
    assert verdict(rates([v * 2 for v in BASE], BASE), two_sided).verdict == "FAIL"
    assert verdict(rates([v * 0.5 for v in BASE], BASE), two_sided).verdict == "FAIL"
    assert verdict(rates(BASE, BASE), two_sided).verdict == "PASS"


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
def test_consistency_is_judged_by_its_chi_square_interval(values: list[float], word: str) -> None:
    assert verdict(rates(values, values), EVEN).verdict == word


def test_a_speed_gate_on_unequal_prompts_is_not_comparable() -> None:
    trials = rates(BASE, BASE)
    assert trials[-1].ledger is not None
    trials[-1] = trials[-1].model_copy(
        update={"ledger": trials[-1].ledger.model_copy(update={"prompt_ids_sha256": "other"})}
    )
    assert verdict(trials, SPEED).verdict == "NOT COMPARABLE"


def test_good_rounds_without_the_metric_leave_a_gate_inconclusive() -> None:
    trials = [t if t.round < 4 else t.model_copy(update={"measurements": ()}) for t in rates(BASE, BASE)]
    found = verdict(trials, SPEED)
    assert found.verdict == "INCONCLUSIVE"
    assert "was had in 3 of 5 good rounds" in found.sentence
    loads = rates([1.0, 1.0, 1.0, 1.0, 1.0], [1.0] * 5, "load_s")
    loads[-1] = loads[-1].model_copy(update={"measurements": ()})
    assert verdict(loads, LOAD).verdict == "INCONCLUSIVE"


def test_a_runtimes_own_report_is_no_evidence_for_a_bound() -> None:
    own = [trial("two", k, {"load_s": 0.1}, definition="runtime-report:x") for k in range(1, 6)]
    assert verdict(own, LOAD).verdict == "NOT COMPARABLE"


def test_a_ratio_of_what_both_sides_print_of_themselves_says_so() -> None:
    reported = "runtime-report:printed at the end"
    trials = [trial(side, k, {"gen_tps": 50.0}, definition=reported) for side in ("one", "two") for k in (1, 2, 3)]
    found = verdict(trials, {"name": "g", "kind": "ratio", "metric": "gen_tps", "min_ratio": 0.5})
    assert found.verdict == "PASS"
    assert found.sentence.startswith("gen_tps by what both print of themselves 1× one")


def test_two_budgets_that_the_trials_themselves_belie_decide_nothing() -> None:
    def both(runtime: str, rate: float, within: str) -> list[Trial]:
        trials = (trial(runtime, k, {"gen_tps": rate}, definition="two-budgets") for k in (1, 2, 3))
        return [also(good, within, {"gen_tps": 50.0}) for good in trials]

    trials = [*both("one", 50.0, "chunk-interval"), *both("two", 100.0, "token-stamps")]
    ratio = verdict(trials, {"name": "g", "kind": "ratio", "metric": "gen_tps", "max_ratio": 1.25})
    assert ratio.verdict == "INCONCLUSIVE"
    assert "set them further apart" in ratio.sentence
    alone = [trial("two", k, {"gen_tps": 100.0}, definition="two-budgets") for k in (1, 2, 3)]
    belied = [also(good, "chunk-interval", {"gen_tps": 50.0}) for good in alone]
    floor = {"name": "g", "kind": "bound", "metric": "gen_tps", "min": 70.0, "runtimes": ("two",)}
    assert verdict([*both("one", 50.0, "chunk-interval"), *alone], floor).verdict == "PASS"
    assert verdict([*both("one", 50.0, "chunk-interval"), *belied], floor).verdict == "INCONCLUSIVE"


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
        ("build", "NOT RUN"),
        ("refused", "NOT RUN"),
        ("interrupted", "NOT RUN"),
    ],
)
def test_no_failed_trials_fails_on_what_ran_and_is_not_run_for_what_never_did(kind: str, word: str) -> None:
    assert verdict([*rates(BASE[:4], BASE[:4]), failed(kind)], HANGS).verdict == word


def test_a_hang_in_warm_up_is_a_hang() -> None:
    assert verdict([*rates(BASE, BASE), failed("timeout:load", warmup=True)], HANGS).verdict == "FAIL"


def test_no_failed_trials_needs_every_planned_trial() -> None:
    assert verdict(rates(BASE, BASE), HANGS).verdict == "PASS"
    assert verdict(rates(BASE[:4], BASE), HANGS).verdict == "NOT RUN"
    assert verdict([], HANGS).verdict == "NOT RUN"


def test_a_gate_elsewhere_is_not_applicable() -> None:
    there = {**LOAD, "when": {"platform": "darwin"}}
    assert verdict(rates([1.0, 1.0], [1.0, 1.0], "load_s"), there).verdict == "NOT APPLICABLE"
    metal = {**LOAD, "when": {"device": "metal"}}
    assert verdict(rates([1.0, 1.0], [1.0, 1.0], "load_s"), metal).verdict == "NOT APPLICABLE"
    found = verdict(rates([1.0, 1.1], [1.0, 1.0], "load_s"), metal, devices={"two": "Apple GPU (Metal)"})
    assert found.verdict != "NOT APPLICABLE"


def test_a_device_that_was_never_seen_decides_nothing() -> None:
    metal = {**LOAD, "when": {"device": "metal"}}
    assert verdict(rates([1.0, 1.0], [1.0, 1.0], "load_s"), metal, devices={}).verdict == "NOT RUN"


def test_the_gates_of_a_runtime_that_is_not_set_are_not_applicable() -> None:
    assert verdict([], SPEED, unset=frozenset({"two"})).verdict == "NOT APPLICABLE"


def exit_code(
    trials: Sequence[Trial], *gates: dict[str, object], interrupted: bool = False, started: int = 1, **fields: object
) -> Exit:
    found = evidence(trials, *gates, **fields)
    return exit_of(found, tuple(judge(found)), interrupted=interrupted, started=started)


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
    assert exit_code(GOOD).code == 4
    assert exit_code(GOOD, SPEED, unset=frozenset({"two"})).code == 4
    assert exit_code(rates([60.0, 110.0, 70.0, 90.0, 80.0], BASE), SPEED).code == 3


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
