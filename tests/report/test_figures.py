"""Single figures for programs: what is a number, and what is told instead of one."""

import csv
import io
from collections.abc import Callable

import pytest

from parity.errors import ParityError
from parity.records import Report, Summary
from parity.report import figure_of
from parity.report.figures import render_csv

Build = Callable[..., Report]


def first(part: str, names: list[str]) -> str:
    return next(name for name in names if name.endswith(part))


def rows(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render_csv(report))))


def test_a_value_that_is_only_a_bound_says_so(build_report: Build) -> None:
    report = build_report(
        {"alpha": {"load_weights_s": 0.41}, "beta": {"load_weights_s": 0.41}},
        definitions={("beta", "load_weights_s"): "spawn-to-weights"},
    )
    found = figure_of(report, "load_weights_s@simple-math/beta", first)
    assert (found.value, found.remark) == (0.41, "only an upper bound")
    [row] = [
        r for r in rows(report) if (r["test"], r["runtime"], r["metric"]) == ("simple-math", "beta", "load_weights_s")
    ]
    assert (row["bound"], row["value"]) == ("upper", "0.41")


def test_two_upper_bounds_have_no_ratio(build_report: Build) -> None:
    runtimes = ("alpha", "beta")
    report = build_report(
        {runtime: {"load_weights_s": 0.41} for runtime in runtimes},
        definitions={(runtime, "load_weights_s"): "spawn-to-weights" for runtime in runtimes},
    )
    with pytest.raises(ParityError, match="has no ratio: both values are upper bounds"):
        figure_of(report, "load_weights_s.ratio@simple-math/beta", first)
    assert {row["ratio"] for row in rows(report)} == {""}


def test_sides_that_are_not_comparable_have_no_ratio(build_report: Build) -> None:
    report = build_report(not_comparable="other weights")
    with pytest.raises(ParityError, match="has no ratio: other weights"):
        figure_of(report, "gen_tps.ratio@simple-math/beta", first)
    assert {row["ratio"] for row in rows(report)} == {""}
    assert "other weights" in {row["reason"] for row in rows(report)}


def test_a_ratio_that_is_in_doubt_is_told_with_the_doubt(build_report: Build) -> None:
    report = build_report()
    doubted = tuple(c.model_copy(update={"doubt": "trials contradict it"}) for c in report.comparisons)
    report = report.model_copy(update={"comparisons": doubted})
    assert figure_of(report, "gen_tps.ratio@simple-math/beta", first).remark == "trials contradict it"


def test_the_ends_of_an_interval_are_figures_too(build_report: Build) -> None:
    report = build_report()
    [ratio] = [c for c in report.comparisons if (c.test, c.runtime, c.metric) == ("simple-math", "beta", "gen_tps")]
    assert ratio.interval is not None
    for end, value in (("low", ratio.interval.low), ("high", ratio.interval.high)):
        assert figure_of(report, f"gen_tps.ratio.{end}@simple-math/beta", first).value == value
        assert figure_of(report, f"gen_tps.{end}@simple-math/beta", first).value != value
    for wrong in ("gen_tps.low.ratio", "gen_tps.ratio.middle", "gen_tps.low.low", "gen_tps."):
        with pytest.raises(ParityError, match="is no figure"):
            figure_of(report, f"{wrong}@simple-math/beta", first)
    few = report.model_copy(update={"comparisons": tuple(c.but(interval=None) for c in report.comparisons)})
    with pytest.raises(ParityError, match=r"gen_tps\.ratio of .*beta has no interval: the run has too few rounds"):
        figure_of(few, "gen_tps.ratio.low@simple-math/beta", first)


def test_each_definition_has_the_ratio_that_is_by_it(build_report: Build) -> None:
    own = Summary(
        model="toy",
        test="simple-math",
        runtime="beta",
        metric="gen_tps",
        unit="t/s",
        definition="runtime-report:own",
        provenance="reported",
        values=(1.0,),
        centre=1.0,
    )
    found = [r for r in rows(build_report(extra=[own])) if (r["test"], r["metric"]) == ("simple-math", "gen_tps")]
    ratios = {(r["runtime"], r["definition"]): bool(r["ratio"]) for r in found}
    assert ratios[("beta", "runtime-report:own")] is False
    assert sum(ratios.values()) == 1


def test_no_field_is_a_formula_and_no_line_is_broken(build_report: Build) -> None:
    report = build_report({"alpha": {"gen_tps": 1.0}, "beta": {"gen_tps": "=1+1\nnext\x1b[2J"}})
    text = render_csv(report)
    assert "'=1+1 ⏎ next" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == len(rows(report)) + 1
