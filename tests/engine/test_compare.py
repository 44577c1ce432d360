"""Ratios come from rounds in which both sides have the metric by one definition, and ran the same."""

import pytest
from builders import also, trial

from parity.compare import Measured, centre_of, compare, summarise
from parity.compare.scales import share_of_equal
from parity.reading.dictionary import METRICS
from parity.records import Comparison, Failure, Identity, NotRun, Trial
from parity.stats import Estimate

ONE, TWO = ("m", "t", "one"), ("m", "t", "two")


def entry(**fields: object) -> Identity:
    return Identity.model_validate(
        {
            "weights_sha256": "w",
            "prompt_ids_sha256": "p",
            "prompt_tokens": 4,
            "generated_tokens": 50,
            **fields,
        }
    )


def comparison(trials: list[Trial], metric: str = "gen_tps") -> Comparison:
    found = [c for c in compare(Measured(trials), [ONE, TWO], "one") if c.metric == metric]
    assert len(found) == 1
    return found[0]


def sides(ours: list[float], base: list[float], metric: str = "gen_tps") -> list[Trial]:
    return [
        *(trial("one", k, {metric: v}) for k, v in enumerate(base, start=1)),
        *(trial("two", k, {metric: v}) for k, v in enumerate(ours, start=1)),
    ]


def test_a_ratio_is_the_geometric_mean_of_the_rounds_ratios() -> None:
    found = comparison(sides([50.0, 200.0], [100.0, 100.0]))
    assert found.ratio == pytest.approx(1.0)
    assert found.rounds == 2
    assert found.definition == "token-stamps"


def test_a_round_in_which_a_side_failed_is_in_no_ratio() -> None:
    trials = sides([50.0, 60.0, 999.0], [100.0, 120.0, 130.0])
    trials[-1] = trials[-1].but(failure=Failure(kind="exit:1", message=""), measurements=())
    found = comparison(trials)
    assert found.rounds == 2
    assert found.ratio == pytest.approx(0.5)


def test_rates_of_two_budgets_have_one_value_a_side_in_the_summary_and_in_the_comparison() -> None:
    trials = [
        trial(runtime, k, {"gen_tps": rate}, definition="two-budgets")
        for runtime, rates in (("one", (100.0, 300.0)), ("two", (50.0, 50.0)))
        for k, rate in enumerate(rates, start=1)
    ]
    found = comparison(trials)
    assert (found.value, found.baseline_value) == (pytest.approx(50.0), pytest.approx(150.0))
    assert found.difference == pytest.approx(-100.0)
    assert found.ratio == pytest.approx(1 / 3)
    [own] = [s for s in summarise(Measured(trials), [ONE]) if s.metric == "gen_tps"]
    assert own.centre == pytest.approx(found.baseline_value)


def test_a_comparison_has_both_values_over_the_rounds_that_it_is_of() -> None:
    trials = sides([200.0, 200.0, 999.0], [200.0, 200.0, 202.0])
    trials[-1] = trials[-1].but(failure=Failure(kind="exit:1", message=""), measurements=())
    found = comparison(trials)
    assert (found.value, found.baseline_value, found.difference) == (
        pytest.approx(200.0),
        pytest.approx(200.0),
        pytest.approx(0.0),
    )


@pytest.mark.parametrize("definition", ["first-chunk", "first-token-mark"])
def test_two_upper_bounds_have_no_ratio_and_no_difference(definition: str) -> None:
    trials = [trial(side, k, {"ttft_s": 9.0}, definition=definition) for side in ("one", "two") for k in (1, 2)]
    found = comparison(trials, "ttft_s")
    assert (found.ratio, found.difference, found.interval, found.value) == (None, None, None, None)
    assert "upper bounds, which have no ratio" in (found.reason or "")


def test_prompts_that_differ_because_of_a_begin_token_name_it() -> None:
    trials = sides([50.0], [50.0])
    for k, (ids, bos) in enumerate((("p", "none"), ("q", "token 11 (llama.cpp's own choice)"))):
        trials[k] = trials[k].but(
            identity=entry(prompt_ids_sha256=ids, prompt_tokens=4 + k, settings={"begin_token": bos})
        )
    reason = comparison(trials).reason or ""
    assert "begin token: none against token 11 (llama.cpp's own choice)" in reason


def by_two_budgets(
    runtime: str, rates: list[float], *, shown: float, pieces: bool = False, first_gap_ms: float | None = None
) -> list[Trial]:
    """Both trials of each round, of 50 and 10 tokens; the long ones show `shown` tokens a second from token to token,
    or from one piece of text to the next."""
    gap_ns = round(1e9 / shown)
    gaps = (gap_ns if first_gap_ms is None else round(first_gap_ms * 1e6), *(gap_ns,) * 48)
    found = []
    for k, rate in enumerate(rates, start=1):
        long = trial(runtime, k, {"gen_tps": rate}, definition="two-budgets")
        short = trial(runtime, k, {}, kind="short", identity=entry(generated_tokens=10))
        found += [long.but(text_gaps_ns=gaps) if pieces else long.but(gaps_ns=gaps), short]
    return found


def test_two_budgets_that_a_sides_own_trials_confirm_are_in_no_doubt() -> None:
    base = by_two_budgets("one", [100.0, 104.0], shown=98.5, pieces=True)
    found = comparison([*base, *by_two_budgets("two", [52.0, 48.0], shown=50.0)])
    assert (found.definition, found.doubt) == ("two-budgets", None)
    assert found.ratio == pytest.approx(0.49, rel=0.01)


@pytest.mark.parametrize("rate", [88.0, 113.0])
@pytest.mark.parametrize("pieces", [False, True], ids=["tokens", "pieces of text"])
@pytest.mark.parametrize("side", ["one", "two"])
def test_two_budgets_that_a_sides_own_trials_contradict_are_in_doubt(side: str, rate: float, pieces: bool) -> None:
    other = "two" if side == "one" else "one"
    contradicted = by_two_budgets(side, [rate, rate], shown=100.0, pieces=pieces)
    found = comparison([*contradicted, *by_two_budgets(other, [100.0, 100.0], shown=100.0)])
    assert found.ratio is not None
    assert found.doubt is not None
    assert f"{side} shows 100.00 t/s from token to token in its long trials" in found.doubt
    assert f"where two budgets give {rate:.2f} t/s" in found.doubt
    assert f"took {'more' if rate < 100 else 'less'} time in the long trials" in found.doubt
    assert found.ratio * (found.doubt_factor or 0) == pytest.approx(1.0)


def test_a_slow_first_step_of_decoding_casts_no_doubt() -> None:
    # It comes before token 10 in both trials of a round, so that it is in neither rate.
    ours = by_two_budgets("two", [28.57, 28.57], shown=28.57, pieces=True, first_gap_ms=320)
    assert comparison([*by_two_budgets("one", [28.57, 28.57], shown=28.57), *ours]).doubt is None


def test_one_odd_round_casts_no_doubt() -> None:
    base = by_two_budgets("one", [20.0] * 10, shown=20.0)
    ours = by_two_budgets("two", [20.0] * 9 + [14.0], shown=20.0)
    assert comparison([*base, *ours]).doubt is None


def test_counts_are_compared_by_their_differences_and_may_be_zero() -> None:
    found = comparison(sides([0.0, 2.0], [1.0, 2.0], "gen_cores"), "gen_cores")
    assert (found.scale, found.ratio, found.reason) == ("difference", None, None)
    assert found.difference == pytest.approx(-0.5)
    assert found.interval is not None
    assert found.interval.low < -0.5 < found.interval.high


def test_a_rate_of_zero_has_no_ratio() -> None:
    found = comparison(sides([0.0, 2.0], [1.0, 2.0]))
    assert (found.scale, found.ratio) == ("ratio", None)
    assert "zero or negative" in (found.reason or "")


def test_agreement_is_the_share_of_rounds_with_equal_values() -> None:
    assert share_of_equal([1.0, 2.0, 3.0, 0.0], [1.0, 2.0, 4.0, 0.0]) == 0.75


def test_the_centre_of_a_side_depends_on_the_scale() -> None:
    values = [0.0, 4.0]
    assert isinstance(centre_of("ratio", values), str)
    mean = centre_of("difference", values)
    assert isinstance(mean, Estimate)
    assert mean.centre == 2.0
    assert isinstance(centre_of("agreement", values), str)
    assert centre_of("agreement", [3.0, 3.0]) == Estimate(3.0, None, None)


@pytest.mark.parametrize("kind", ["unavailable", "build", "given up"])
def test_a_cell_that_was_not_run_says_why_it_has_no_value(kind: str) -> None:
    model, test, runtime = TWO
    entry = NotRun.model_validate(
        {"model": model, "test": test, "runtime": runtime, "kind": kind, "planned": 5, "ran": 0, "reason": "because"}
    )
    measured = Measured([trial("one", 1, {"gen_tps": 1.0})], {TWO: entry})
    found = [s for s in summarise(measured, [ONE, TWO]) if s.runtime == "two"]
    assert {s.reason for s in found} == {f"{kind}: because"}


def test_warm_up_is_in_no_ratio() -> None:
    trials = [
        *sides([50.0], [100.0]),
        trial("one", 1, {"gen_tps": 1.0}, warmup=True),
        trial("two", 1, {"gen_tps": 9.0}, warmup=True),
    ]
    assert comparison(trials).ratio == pytest.approx(0.5)


def test_rounds_are_paired_by_number_not_by_order() -> None:
    trials = [trial("one", 2, {"gen_tps": 10.0}), trial("one", 1, {"gen_tps": 100.0})]
    trials += [trial("two", 1, {"gen_tps": 200.0}), trial("two", 2, {"gen_tps": 20.0})]
    found = comparison(trials)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(2.0)
    assert found.interval.high == pytest.approx(2.0)


def test_two_definitions_are_never_divided_by_one_another() -> None:
    trials = [
        trial("one", 1, {"gen_tps": 100.0}, definition="token-stamps"),
        trial("two", 1, {"gen_tps": 100.0}, definition="runtime-report:two's own"),
    ]
    found = comparison(trials)
    assert found.ratio is None
    assert not found.comparable
    assert "no definition in common" in (found.reason or "")


def test_without_a_definition_in_common_it_says_why_a_side_lacks_the_one_that_takes_least() -> None:
    one = also(trial("one", 1, {"gen_tps": 100.0}), "chunk-interval", {"gen_tps": 90.0})
    two = trial("two", 1, {"gen_tps": 100.0}, definition="runtime-report:two's own")
    none = [METRICS["gen_tps"].absent(f"no {d}", d) for d in ("token-stamps", "chunk-interval")]
    found = comparison([one, two.but(measurements=(*none, *two.measurements))])
    said = "no definition in common: two has no chunk-interval, because no chunk-interval (one: token-stamps, chunk-"
    assert (found.reason or "").startswith(said)


def test_the_strictest_common_definition_is_taken() -> None:
    def both(runtime: str, stamped: float, own: float) -> Trial:
        one = trial(runtime, 1, {"gen_tps": own}, definition="runtime-report:same")
        other = trial(runtime, 1, {"gen_tps": stamped})
        return one.but(measurements=(*one.measurements, *other.measurements))

    found = comparison([both("one", 100.0, 1.0), both("two", 50.0, 1.0)])
    assert found.definition == "token-stamps"
    assert found.ratio == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("ours", "metric", "reason"),
    [
        (entry(weights_sha256="other"), "load_s", "different weights"),
        (entry(prompt_ids_sha256="q", prompt_tokens=5), "gen_tps", "prompt ids differ"),
        (entry(prompt_ids_sha256=None, prompt_tokens=5), "gen_tps", "differ in length"),
        (entry(prompt_ids_sha256=None, prompt_tokens=None), "gen_tps", "did not show"),
        (entry(generated_tokens=40), "total_s", "generated 50 and 40"),
        (entry(generated_tokens=None), "wall_s", "did not show how many tokens it generated"),
        (entry(weights_sha256=None), "load_s", "a side did not show which weights it ran"),
    ],
)
def test_sides_that_did_not_run_the_same_are_not_comparable(ours: Identity, metric: str, reason: str) -> None:
    trials = [trial("one", 1, {metric: 1.0}, identity=entry()), trial("two", 1, {metric: 1.0}, identity=ours)]
    found = comparison(trials, metric)
    assert not found.comparable
    assert found.ratio is None
    assert reason in (found.reason or "")


def test_what_neither_side_showed_is_no_agreement() -> None:
    trials = [trial(side, 1, {"wall_s": 1.0}, identity=entry(generated_tokens=None)) for side in ("one", "two")]
    assert not comparison(trials, "wall_s").comparable


def test_unequal_prompts_do_not_touch_load() -> None:
    trials = [
        trial("one", 1, {"load_s": 1.0}, identity=entry()),
        trial("two", 1, {"load_s": 2.0}, identity=entry(prompt_ids_sha256="q", prompt_tokens=5)),
    ]
    assert comparison(trials, "load_s").ratio == pytest.approx(2.0)


def test_one_bad_round_among_good_ones_makes_the_whole_not_comparable() -> None:
    trials = sides([1.0, 1.0], [1.0, 1.0])
    trials[-1] = trials[-1].model_copy(update={"identity": entry(prompt_ids_sha256="q")})
    assert not comparison(trials).comparable


def test_a_side_without_the_metric_says_why() -> None:
    found = comparison([trial("one", 1, {"gen_tps": 1.0})])
    assert found.ratio is None
    assert found.comparable
    assert found.reason == "two: no trial ran"


def test_every_metric_of_every_cell_has_a_summary_even_where_nothing_ran() -> None:
    found = list(
        summarise(Measured([trial("one", 1, {"gen_tps": 4.0}), trial("one", 2, {"gen_tps": 9.0})]), [ONE, TWO])
    )
    assert {(s.runtime, s.metric) for s in found} == {(r, m) for r in ("one", "two") for m in METRICS}
    [rate] = [s for s in found if s.runtime == "one" and s.metric == "gen_tps"]
    assert rate.centre == pytest.approx(6.0)
    assert all(s.reason for s in found if s.centre is None)
