"""What reports say of the exact arm and of the position that lies farthest apart, at any width."""

from collections.abc import Callable, Mapping

import pytest

from parity.records import OutputVerdict, Report, Widest
from parity.report import FORMATS, terminal_table


@pytest.fixture
def drifting(reports: Mapping[str, Report]) -> OutputVerdict:
    """That of Gamma, with what a drift without a flip shows."""
    wide = Widest(position=7, id=5, theirs=-0.5, ours=-2.5, their_top=((5, -0.5), (6, -3.0)), our_top=((6, -0.1),))
    return reports["outputs"].outputs[1].but(verdict="DRIFT", first_difference=None, widest=wide)


Shown = Callable[..., str]


@pytest.fixture(params=["table", "markdown"])
def shown(request: pytest.FixtureRequest, build_report: Callable[..., Report], drifting: OutputVerdict) -> Shown:
    def render(**changed: object) -> str:
        runtimes = {name: {"gen_tps": 10.0} for name in ("alpha", "beta", "gamma", "delta")}
        report = build_report(runtimes, outputs=(drifting.but(**changed),))
        return " ".join(FORMATS[request.param](report).split())

    return render


def test_each_runtime_has_its_distance_and_the_farthest_is_told(shown: Shown) -> None:
    text = shown()
    assert "Exact arm of Simple Math: the weights in F32, computed by Alpha and Beta, which differ by mean KL" in text
    assert "(by quarter of the sequence: 6e-06, 7e-06, 4e-06, 5e-06)." in text
    for name, said in (("Alpha", "(near it)"), ("Beta", "(near it)"), ("Gamma", "(far from it, the farthest)")):
        line = text[text.index(f"Exact arm of Simple Math: {name} lies at mean KL") :]
        assert line[: line.index(").") + 1].endswith(said)


def test_where_all_are_near_none_is_the_farthest(shown: Shown, drifting: OutputVerdict) -> None:
    assert drifting.exact is not None
    near = tuple(found.but(nearness="near") for found in drifting.exact.distances)
    text = shown(exact=drifting.exact.but(distances=near))
    assert "(near it)" in text
    assert "farthest)" not in text


def test_no_figure_is_a_power_of_ten_that_says_nothing(shown: Shown, drifting: OutputVerdict) -> None:
    assert drifting.exact is not None
    one, *_ = drifting.exact.distances
    tiny = one.but(times=8.5e-6, distances=one.distances.but(mean_kl=3.3e-13, p99_kl=3.9e-12))
    text = shown(needed=1.3e3, exact=drifting.exact.but(distances=(tiny,)))
    assert "needs over 1,000× the tolerance" in text
    assert "mean KL below 1e-6 nats, 99th percentile below 1e-6" in text
    assert "below 0.001× its tolerance" in text


def test_headers_of_the_outputs_are_whole_at_80_columns(
    build_report: Callable[..., Report], drifting: OutputVerdict
) -> None:
    """Also with the longest words and figures in the cells."""
    runtimes = {name: {"gen_tps": 10.0} for name in ("alpha", "beta", "gamma", "delta")}
    report = build_report(
        runtimes,
        titles={"gamma": "llama.cpp"},
        outputs=(drifting.but(verdict="UNPROVEN", needed=1.3e3, runtime="gamma"),),
    )
    text = terminal_table(report, 80)
    table = text[text.index("Outputs\n") :].splitlines()[3:6]
    for header in ("Runtime", "Verdict", "Prompt", "Answer", "Log-probs", "Needed"):
        assert any(header in line.split() for line in table[:2]), table
    assert max(map(len, text.splitlines())) <= 80


def test_an_arm_of_one_member_says_that_its_resolution_was_not_measured(shown: Shown, drifting: OutputVerdict) -> None:
    assert drifting.exact is not None
    alone = drifting.exact.but(
        members=("alpha",), resolution=None, silent=("beta failed to score in F32 (oom: no memory)",), doubt="it leans"
    )
    text = shown(exact=alone)
    assert "computed by Alpha alone, so that how well it is known was not measured; beta failed to score" in text
    assert "Exact arm of Simple Math, for Gamma: it leans." in text


def test_one_line_says_why_there_is_no_arm(shown: Shown) -> None:
    text = shown(exact=None, no_exact="it needs 9 GiB of memory, and 4 GiB are free")
    assert text.count("Exact arm") == 1
    assert "Exact arm of Simple Math: there is none: it needs 9 GiB of memory, and 4 GiB are free." in text
    assert "Exact arm" not in shown(exact=None)


def test_a_drift_shows_both_lists_where_the_two_lie_farthest_apart(shown: Shown) -> None:
    said = "of id 5: Alpha -0.5000 (likeliest: 5 -0.5000, 6 -3.0000), Gamma -2.5000 (likeliest: 6 -0.1000)"
    assert said in shown()
    assert said not in shown(verdict="EQUIVALENT")


def test_the_tolerance_that_would_have_passed_is_shown_in_nats(shown: Shown) -> None:
    assert "12× the tolerance: mean KL 0.076, 99th percentile 1.5, |Δ log p| 4.2 would have passed" in shown()
