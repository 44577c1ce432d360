"""The verdicts select the branch, and only they tick a claim."""

from collections.abc import Callable, Mapping

import pytest

from parity.records import Claim, PageSpec, Report, RuntimeReport, Verdict
from parity.report import render_page
from parity.report.analysis import branch_of
from parity.report.index import Index

Build = Callable[..., Report]
Gates = Callable[..., tuple[Verdict, ...]]
OneVerdict = Callable[..., Verdict]


def beta(report: Report) -> RuntimeReport:
    return next(runtime for runtime in report.runtimes if runtime.name == "beta")


def branch(report: Report) -> str:
    return branch_of(Index(report), beta(report))


def lines_of(report: Report) -> list[str]:
    """The lines of the analysis as the page prints them."""
    lines = render_page(report).partition("## Analysis")[2].partition("\n\n## ")[0].splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith("- ")]


def test_every_required_gate_passed_is_matching(build_report: Build) -> None:
    report = build_report()
    assert branch(report) == "matching"


def test_failed_speed_gate_is_slower(build_report: Build, gates: Gates) -> None:
    for failed in ({"generation_parity": "FAIL"}, {"load_bound": "FAIL"}):
        report = build_report(verdicts=gates(**failed))
        assert branch(report) == "slower"


@pytest.mark.parametrize("verdict", ["INCONCLUSIVE", "NOT COMPARABLE", "NOT RUN"])
def test_gate_that_decides_nothing_is_undecided_and_named(build_report: Build, gates: Gates, verdict: str) -> None:
    report = build_report(verdicts=gates(generation_parity=verdict))
    assert branch(report) == "undecided"
    assert lines_of(report)[0].startswith(f"generation-parity is {verdict} on Simple Math: ")


def test_failure_of_a_gate_that_is_not_about_speed_is_not_slower(
    build_report: Build, gates: Gates, verdict: OneVerdict
) -> None:
    for failed in ({"every_trial": "FAIL"}, {"steady": "FAIL"}):
        report = build_report(verdicts=gates(**failed))
        assert branch(report) == "undecided"
    memory = verdict("memory", "FAIL", of="bound", metric="peak_rss_bytes", failed_side=None)
    report = build_report(verdicts=[*gates(), memory])
    assert branch(report) == "undecided"


def test_too_fast_for_a_two_sided_gate_is_not_slower(build_report: Build, gates: Gates, verdict: OneVerdict) -> None:
    for side, expected in (("fast", "undecided"), ("slow", "slower")):
        two_sided = verdict("two-sided", "FAIL", failed_side=side)
        report = build_report(verdicts=[*gates(), two_sided])
        assert branch(report) == expected


def test_no_ratio_gate_is_undecided(build_report: Build, verdict: OneVerdict) -> None:
    report = build_report(verdicts=[verdict("load-bound", "PASS", of="bound", metric="load_s")])
    assert lines_of(report) == ["No required gate compares Beta with Alpha"]


def test_no_verdict_at_all_is_undecided(build_report: Build) -> None:
    report = build_report(verdicts=[])
    assert branch(report) == "undecided"
    assert "⬜ no gate was judged" in render_page(report)


def test_gate_that_is_not_applicable_does_not_count(build_report: Build, gates: Gates, verdict: OneVerdict) -> None:
    aside = verdict("on-metal", "NOT APPLICABLE")
    report = build_report(verdicts=[*gates(), aside])
    assert branch(report) == "matching"
    assert "⬜ on-metal: NOT APPLICABLE" in render_page(report)
    alone = build_report(verdicts=[aside])
    assert branch(alone) == "undecided"


def test_advice_and_other_runtimes_do_not_decide(build_report: Build, gates: Gates, verdict: OneVerdict) -> None:
    advice = verdict("advice", "FAIL", required=False)
    other = verdict("generation-parity", "FAIL", runtime="gamma")
    report = build_report(verdicts=[*gates(), advice, other])
    assert branch(report) == "matching"
    assert "❌ advice (advice): FAIL" in render_page(report)


def test_interrupted_run_never_matches(build_report: Build) -> None:
    report = build_report(interrupted=True)
    assert branch(report) == "undecided"
    assert "### If Undecided\n- The run was interrupted before its last round\n" in render_page(report)


def test_runtime_that_is_not_there_is_undecided_with_the_remedy(build_report: Build) -> None:
    entry = {"status": "unavailable", "reason": "not installed", "remedy": "make beta"}
    report = build_report(runtimes={"beta": entry}, verdicts=[])
    assert "Beta is unavailable: not installed (to fix: make beta)" in lines_of(report)


def test_claim_is_ticked_only_by_all_of_its_gates_on_all_cells(build_report: Build, gates: Gates) -> None:
    page = PageSpec(
        matching=(
            Claim(text="rests on two", gates=("generation-parity", "advice")),
            Claim(text="rests on one", gates=("generation-parity",)),
            Claim(text="rests on a gate that is not there", gates=("gone",)),
            Claim(text="rests on nothing"),
        )
    )
    advice = [
        v.model_copy(update={"gate": "advice", "required": False, "verdict": kind})
        for v, kind in zip(gates()[:2], ("PASS", "INCONCLUSIVE"), strict=True)
    ]
    report = build_report(verdicts=[*gates(), *advice], page=page)
    assert lines_of(report) == [
        "⬜ rests on two (advice is INCONCLUSIVE)",
        "✅ rests on one",
        "⬜ rests on a gate that is not there (gone was not judged)",
        "⬜ rests on nothing (not measured)",
    ]


def test_conclusion_is_printed_only_where_the_implementation_matches(reports: Mapping[str, Report]) -> None:
    conclusion = "Ready to restore the next model"
    for name, report in reports.items():
        assert (conclusion in render_page(report)) == (name in ("matching", "three-runtimes", "outputs"))


def test_slower_branch_names_the_phase_that_accounts_for_the_difference(build_report: Build, gates: Gates) -> None:
    failed = gates(generation_parity="FAIL")
    base = {"load_s": 1.0, "ttft_s": 0.2, "gen_tps": 100.0, "generated_tokens": 101.0}
    for changed, phase in (({"load_s": 5.0}, "loading"), ({"ttft_s": 4.0}, "prefill"), ({"gen_tps": 10.0}, "decoding")):
        report = build_report({"alpha": base, "beta": {**base, **changed}}, verdicts=failed)
        assert lines_of(report)[2].startswith(
            f"Simple Math: {phase} accounts for the largest part of the difference (loading"
        )


def test_decoding_difference_is_of_the_same_number_of_tokens(build_report: Build, gates: Gates) -> None:
    alpha = {"gen_tps": 100.0, "generated_tokens": 101.0}
    report = build_report(
        {"alpha": alpha, "beta": {"gen_tps": 50.0, "generated_tokens": 51.0}}, verdicts=gates(generation_parity="FAIL")
    )
    assert "decoding +0.50 s" in lines_of(report)[2]


def test_slower_branch_says_what_was_not_measured(build_report: Build, gates: Gates) -> None:
    reason = "prints nothing until its end"
    base = {"load_s": 1.0, "gen_tps": 100.0, "generated_tokens": 101.0, "gen_cores": 2.0, "ttft_s": reason}
    slow = {**base, "gen_tps": 10.0, "gen_cores": "too few samples"}
    report = build_report(
        {"alpha": base, "beta": slow},
        verdicts=gates(generation_parity="FAIL"),
        runtimes={"beta": {"device": None}, "alpha": {"settings": {"device": "gpu:0"}}},
    )
    said = "\n".join(lines_of(report))
    assert "of the phases measured on both sides, decoding differs most (loading" in said
    assert "prefill was not measured by itself, and may differ by more" in said
    assert "accounts for the largest part" not in said
    assert "Device used: Beta not reported, Alpha gpu:0" in said
    assert "prefill: not measured on both sides" in said.partition("Not examined: ")[2]


def test_slower_branch_does_not_blame_a_phase_that_is_not_slower(build_report: Build, gates: Gates) -> None:
    base = {"load_s": 1.0, "ttft_s": 0.2, "gen_tps": 100.0, "generated_tokens": 101.0}
    report = build_report({"alpha": base, "beta": {**base, "load_s": 0.5}}, verdicts=gates(load_bound="FAIL"))
    assert "no phase that was measured on both sides is slower" in lines_of(report)[2]


def test_phases_that_are_not_comparable_are_not_compared(build_report: Build, gates: Gates) -> None:
    report = build_report(not_comparable="the prompts differ", verdicts=gates(load_bound="FAIL"))
    assert "accounts for the largest" not in "\n".join(lines_of(report))


def test_time_that_no_phase_measures_is_named_and_can_be_the_largest(build_report: Build, gates: Gates) -> None:
    base = {"load_s": 1.0, "gen_tps": 100.0, "generated_tokens": 101.0, "total_s": 1.5, "ttft_s": "one burst"}
    slow = {**base, "load_s": 2.0, "gen_tps": 50.0, "total_s": 9.5}
    report = build_report({"alpha": base, "beta": slow}, verdicts=gates(generation_parity="FAIL"))
    assert lines_of(report)[2] == (
        "Simple Math: prefill with other work accounts for the largest part of the difference "
        "(loading +1.00 s, decoding +1.00 s, prefill with other work +7.00 s); "
        "prefill with other work is total time less decoding: prefill was not measured by itself"
    )


def test_the_rest_of_the_total_time_takes_each_sides_own_tokens(build_report: Build, gates: Gates) -> None:
    base = {"gen_tps": 100.0, "generated_tokens": 101.0, "total_s": 1.5}
    slow = {**base, "gen_tps": 50.0, "generated_tokens": 51.0, "total_s": 9.5}
    report = build_report({"alpha": base, "beta": slow}, verdicts=gates(generation_parity="FAIL"))
    said = "\n".join(lines_of(report))
    assert "(decoding +0.50 s, prefill with other work +8.00 s)" in said
    assert "loading" in said.partition("Not examined: ")[2]


def test_what_no_phase_holds_of_the_wall_time_is_bounded(build_report: Build, gates: Gates) -> None:
    base = {"load_s": 1.0, "gen_tps": 100.0, "generated_tokens": 101.0, "wall_s": 3.0}
    slow = {**base, "load_s": 2.0, "gen_tps": 50.0, "wall_s": 10.0}
    report = build_report({"alpha": base, "beta": slow}, verdicts=gates(generation_parity="FAIL"))
    assert lines_of(report)[2] == (
        "Simple Math: prefill with other work accounts for the largest part of the difference "
        "(loading +1.00 s, decoding +1.00 s, prefill with other work +5.00 s); "
        "prefill with other work is wall time less loading and decoding: prefill was not measured by itself"
    )
