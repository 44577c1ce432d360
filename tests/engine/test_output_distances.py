"""How far two distributions lie apart, by the likeliest tokens of each: bounds that hold, and figures by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoken import PROMPT, SEQUENCE, SPOKEN, Logits, log_probabilities, noisy, scores

from parity.outputs.distances import distances, kl_at_least, largest_delta, later_is_larger
from parity.records import Scored

ROWS = st.lists(st.floats(-12, 12), min_size=12, max_size=12)


def scored(*probabilities: tuple[int, float]) -> Scored:
    top = tuple((token, math.log(p)) for token, p in probabilities)
    return Scored(position=1, id=top[0][0], logprob=top[0][1], logsumexp=0.0, top=top)


def divergence(one: list[float], other: list[float]) -> float:
    p, q = (log_probabilities(row)[0] for row in (one, other))
    return math.fsum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))


@given(ROWS, ROWS, st.integers(1, 12), st.integers(0, 11))
def test_the_bound_holds_for_any_distributions_cut_to_their_likeliest_tokens(
    one: list[float], other: list[float], top: int, token: int
) -> None:
    ids = [0, token]
    [a], [b] = (scores([row], ids, top) for row in (one, other))
    found, outside = kl_at_least(a, b)
    assert 0 <= found <= divergence(one, other) + 1e-4
    assert 0 <= outside <= 1


def test_a_token_that_one_side_alone_lists_tells_two_sides_apart() -> None:
    one = Scored(position=1, id=5, logprob=-3.0, logsumexp=0.0, top=((7, -0.3), (5, -3.0)))
    other = Scored(position=1, id=5, logprob=-3.0, logsumexp=0.0, top=((9, -0.3), (5, -3.0)))
    assert largest_delta([one], [other]) == pytest.approx(2.7)
    assert largest_delta([other], [one]) == pytest.approx(2.7)
    assert largest_delta([one], [one]) == 0
    tied = Scored(position=1, id=7, logprob=-0.3, logsumexp=0.0, top=((7, -0.3), (6, -3.0)))
    assert largest_delta([tied], [one]) == 0


@given(ROWS, ROWS)
def test_the_bound_is_the_divergence_where_every_token_is_listed(one: list[float], other: list[float]) -> None:
    [a], [b] = (scores([row], [0, 0], 12) for row in (one, other))
    assert kl_at_least(a, b)[0] == pytest.approx(divergence(one, other), abs=1e-4)


@given(ROWS, st.integers(1, 12))
def test_the_distance_of_a_thing_from_itself_is_zero(row: list[float], top: int) -> None:
    [found] = scores([row], [0, 3], top)
    assert kl_at_least(found, found)[0] == pytest.approx(0, abs=1e-12)
    same = distances([found] * 20, [found] * 20, 1)
    assert (same.largest_delta, same.same_top) == (0, 1)
    assert same.mean_kl == pytest.approx(0, abs=1e-12)
    assert same.perplexity == same.baseline_perplexity


def test_by_hand() -> None:
    """Of two tokens of ¾ and ¼, and the other way round."""
    one, other = scored((1, 0.75), (2, 0.25)), scored((2, 0.75), (1, 0.25))
    assert kl_at_least(one, other)[0] == pytest.approx(0.5 * math.log(3), abs=1e-5)


def test_all_tokens_that_are_not_listed_are_one_bucket() -> None:
    """0.4 lies outside by one side, and 0.1 by the other."""
    one, other = scored((1, 0.6)), scored((1, 0.9))
    found, outside = kl_at_least(one, other)
    assert found == pytest.approx(0.6 * math.log(0.6 / 0.9) + 0.4 * math.log(0.4 / 0.1))
    assert outside == pytest.approx(0.4)


def test_a_token_that_left_the_other_list_counts_by_what_it_can_have_at_most() -> None:
    """The other side lists nothing below 0.05, so that it gives token 9 at most this, and not its share of 0.5."""
    one, other = scored((9, 0.8), (1, 0.1)), scored((1, 0.45), (2, 0.05))
    found, _ = kl_at_least(one, other)
    lumped = 0.1 * math.log(0.1 / 0.45) + 0.9 * math.log(0.9 / 0.55)
    capped = 0.1 * math.log(0.1 / 0.45) + 0.8 * math.log(0.8 / 0.05) + 0.1 * math.log(0.1 / 0.5)
    assert found == pytest.approx(capped)
    assert capped > lumped + 1


def test_names_do_not_change_differences_of_log_probabilities() -> None:
    one, other = scores(SPOKEN), scores(noisy(SPOKEN, 0.3))
    there, back = distances(one, other, len(PROMPT)), distances(other, one, len(PROMPT))
    assert there.largest_delta == back.largest_delta
    assert (there.largest_at, there.same_top) == (back.largest_at, back.same_top)
    assert (there.perplexity, there.baseline_perplexity) == (back.baseline_perplexity, back.perplexity)


def test_the_largest_difference_and_perplexity_are_of_the_continuation() -> None:
    rows: Logits = [[math.log(p) for p in (0.5, 0.5)] for _ in range(3)]
    changed = [[math.log(p) for p in pair] for pair in ((0.01, 0.99), (0.5, 0.5), (0.25, 0.75))]
    found = distances(scores(rows, [0, 0, 0, 0]), scores(changed, [0, 0, 0, 0]), 2)
    assert (found.positions, found.continuation) == (3, 2)
    assert found.largest_delta == pytest.approx(math.log(2), abs=1e-5)
    assert found.largest_at == 3
    assert found.baseline_perplexity == pytest.approx(2, abs=1e-4)
    assert found.perplexity == pytest.approx(math.sqrt(8), abs=1e-4)


def test_growth_is_told_from_scatter() -> None:
    early = [0.001 * k for k in range(1, 21)]
    assert later_is_larger(early, early) > 0.4
    assert later_is_larger(early, [10 * x for x in early]) < 1e-4
    assert later_is_larger([0.0] * 20, [0.0] * 20) == 1
    # One position alone is no growth.
    assert later_is_larger(early, [*early[:-1], 100.0]) > 0.3


def test_the_rank_sum_test_is_that_of_scipy() -> None:
    from scipy.stats import mannwhitneyu

    early, late = [1.0, 2.0, 2.0, 3.0, 5.0, 8.0, 9.0, 4.0], [2.0, 4.0, 6.0, 7.0, 9.0, 9.0, 11.0, 3.0]
    known = mannwhitneyu(late, early, alternative="greater", method="asymptotic").pvalue
    assert later_is_larger(early, late) == pytest.approx(known, rel=1e-9)


def test_a_long_sequence_is_judged_in_well_under_a_second() -> None:
    """2,048 positions of both sides: a bound that a slow machine holds too, and a quadratic loop does not."""
    import time

    rows = (SPOKEN * 80)[:2047]
    ids = [0, *(SEQUENCE[1:] * 80)[:2047]]
    one, other = scores(rows, ids), scores(noisy(rows, 0.1), ids)
    began = time.perf_counter()
    found = distances(one, other, 1024)
    assert found.positions == 2047
    assert time.perf_counter() - began < 1
