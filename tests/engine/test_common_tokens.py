"""Rates of two sides that generated different numbers of tokens are compared over the tokens that both have."""

import pytest
from builders import MS, also, trial

from parity.compare import Measured, compare
from parity.records import Comparison, Identity, Trial

SLOW_START = [40, 36, 32, 28, 24]
"""Gaps in ms of a process whose first steps are slow; later ones take 10."""


def side(runtime: str, tokens: int, round: int = 1, *, factor: float = 1.0, stamps: bool = True) -> Trial:
    """A trial whose gaps are those of one runtime, `factor` times as long."""
    gaps = [(SLOW_START[k] if k < len(SLOW_START) else 10) * factor for k in range(tokens - 1)]
    rate = len(gaps) / sum(gaps) * 1e3
    known = Identity(weights_sha256="ab" * 32, prompt_ids_sha256="p", prompt_tokens=4, generated_tokens=tokens)
    shown = tuple(round_ns(gap) for gap in gaps) if stamps else ()
    return trial(runtime, round, {"gen_tps": rate, "total_s": sum(gaps) / 1e3}, identity=known, gaps_ns=shown)


def round_ns(ms: float) -> int:
    return round(ms * MS)


def compared(*trials: Trial, metric: str = "gen_tps") -> Comparison:
    found = compare(Measured(trials), [("m", "t", "one"), ("m", "t", "base")], "base")
    return next(c for c in found if c.metric == metric)


def test_a_rate_of_20_tokens_is_compared_with_one_of_60_over_the_first_20() -> None:
    found = compared(side("base", 60), side("one", 20))
    assert found.tokens == 20
    assert found.ratio == pytest.approx(1.0)
    assert side("one", 20).measurements[0].value != pytest.approx(side("base", 60).measurements[0].value, rel=0.1)


def test_a_round_is_compared_over_its_own_tokens_so_that_a_shorter_one_later_changes_none_before_it() -> None:
    trials = [t for k in (1, 2) for t in (side("base", 60, k), side("one", 40, k, factor=2))]
    before = compared(*trials)
    after = compared(*trials, side("base", 60, 3), side("one", 10, 3, factor=2))
    assert (before.tokens, after.tokens) == (40, 10)
    assert after.ours[:2] == before.ours
    assert after.theirs[:2] == before.theirs
    assert before.ours[0] == pytest.approx(39 / (2 * (sum(SLOW_START) + 34 * 10)) * 1e3)
    assert after.ratio == pytest.approx(0.5)


def test_an_equal_round_has_the_value_that_it_has_without_an_unequal_one_after_it() -> None:
    equal = (side("base", 60, 1), side("one", 60, 1, factor=2))
    before, after = compared(*equal), compared(*equal, side("base", 60, 2), side("one", 30, 2, factor=2))
    assert (before.tokens, after.tokens) == (None, 30)
    assert after.ours[0] == pytest.approx(before.ours[0])
    assert after.theirs[0] == pytest.approx(before.theirs[0])


def test_equal_numbers_of_tokens_are_compared_as_they_are() -> None:
    found = compared(side("base", 3), side("one", 3, factor=2))
    assert (found.tokens, found.ratio) == (None, pytest.approx(0.5))


def test_three_tokens_on_both_sides_are_too_few_where_the_budget_is_larger() -> None:
    trials = [
        t.but(identity=t.identity and t.identity.but(ended_early=True)) for t in (side("base", 3), side("one", 3))
    ]
    found = compared(*trials)
    assert not found.comparable
    assert (found.reason or "").startswith("a trial ended after 3 tokens: these are too few for a rate, which needs 8")


def test_three_tokens_are_too_few_to_compare_with_twenty() -> None:
    found = compared(side("base", 20), side("one", 3))
    assert not found.comparable
    assert found.reason is not None
    assert found.reason.startswith(
        "the sides generated 3 and 20 tokens: 3 tokens in common are too few for a rate, which needs 8;"
    )


def test_a_rate_that_no_stamps_can_limit_is_not_compared_over_different_numbers_of_tokens() -> None:
    base, one = (
        also(side(name, tokens, stamps=False).but(measurements=()), "chunk-interval", {"gen_tps": 50.0})
        for name, tokens in (("base", 60), ("one", 20))
    )
    found = compared(base, one)
    assert not found.comparable
    assert "chunk-interval can't be limited to the tokens that both have" in (found.reason or "")


def test_a_total_is_compared_over_equal_numbers_of_tokens_only() -> None:
    found = compared(side("base", 60), side("one", 20), metric="total_s")
    assert (found.comparable, found.reason) == (False, "the sides generated 60 and 20 tokens")
