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


def test_one_number_of_tokens_holds_for_all_rounds() -> None:
    trials = (side("base", 60, 1), side("one", 60, 1, factor=2), side("base", 60, 2), side("one", 30, 2, factor=2))
    found = compared(*trials)
    assert (found.tokens, found.rounds) == (30, 2)
    assert found.ratio == pytest.approx(0.5)
    assert found.interval is not None
    assert found.interval.high - found.interval.low == pytest.approx(0, abs=1e-6)


def test_equal_numbers_of_tokens_are_compared_as_they_are() -> None:
    found = compared(side("base", 3), side("one", 3, factor=2))
    assert (found.tokens, found.ratio) == (None, pytest.approx(0.5))


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
