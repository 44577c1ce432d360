"""How far two sides' next-token distributions lie apart, from the likeliest tokens that each reported. Pure."""

import math
from collections.abc import Mapping, Sequence

from parity.records import Distances, Scored
from parity.stats import quantile

PRINTED = 1e-6
"""Log-probabilities are printed to six decimals: the difference of two is known to this, and no better. It is also the
least probability that is told from none."""

LEAST_TOLD = 0.02
"""The least log-probability whose 16 bits are told by its printed digits."""

FEWEST_IN_HALF = 8
"""Different figures that show 16 bits. By chance, one in 8 near zero is one of 16 bits, and one in 500 from 1 on."""

HALVES = (8, 11)
"""Significant bits of BF16 and of FP16."""

MOST_SHIFTED = {bits: 32 * 2.0**-bits for bits in HALVES}
"""Significant bits → what they round a log-sum-exp up to 64 by at most, in nats."""

FEWEST_EACH = 8
"""Positions in each half, for a test of whether the distance grows."""


def known(scored: Scored) -> dict[int, float]:
    """Id → log-probability, of every id that a side reported at a position."""
    return {**dict(scored.top), scored.id: scored.logprob}


def most_of(scored: Scored, token: int) -> tuple[float, bool]:
    """The log-probability of a token, and whether it is only the most that it can be: a token that is not among the
    likeliest is at most as likely as the last of these."""
    found = known(scored).get(token)
    if found is not None:
        return found, False
    return scored.top[-1][1] if scored.top else 0.0, True


def kl_at_least(theirs: Scored, ours: Scored) -> tuple[float, float]:
    """A lower bound of KL(theirs ‖ ours) at one position, in nats, and their probability outside its own buckets.

    Tokens that both sides reported are buckets of their own, and all others are one. Merging outcomes never raises a
    Kullback-Leibler divergence (the data-processing inequality; Cover and Thomas, Elements of Information Theory,
    theorem 2.7.1), so that the sum over the buckets is at most the true divergence. A token that only they reported is
    a bucket too where ours can't be as likely as the merged bucket would make it: ours is at most as likely as the last
    of our list, and the sum falls as ours grows towards its share. There is no upper bound: a token that ours makes
    impossible would make the divergence infinite."""
    one, other = known(theirs), known(ours)
    total, rest_p, rest_q = 0.0, 1.0, 1.0
    for token in one.keys() & other.keys():
        p, q = math.exp(one[token]), math.exp(other[token])
        total += p * (one[token] - other[token])
        rest_p, rest_q = rest_p - p, rest_q - q
    outside = max(rest_p, 0.0)
    cap = math.exp(ours.top[-1][1]) if ours.top else 1.0
    for token in sorted(one.keys() - other.keys(), key=lambda token: -one[token]):
        p = math.exp(one[token])
        # Of what is left, its share would be p·q/p: more than it can have, so that it has all that it can.
        if rest_q <= PRINTED or rest_p <= PRINTED or p * rest_q / rest_p <= cap:
            break
        total += p * (one[token] - math.log(cap))
        rest_p, rest_q = rest_p - p, rest_q - cap
    p, q = max(rest_p, PRINTED), max(rest_q, PRINTED)
    return max(total + p * math.log(p / q), 0.0), outside


def same_sequence(one: Sequence[Scored], other: Sequence[Scored]) -> bool:
    return [(s.position, s.id) for s in one] == [(s.position, s.id) for s in other]


def bits_of(scores: Sequence[Scored]) -> int | None:
    """The significant bits, 8 or 11, of which all log-probabilities are, as those that a program computed in 16 bits;
    None where they are no such. Near zero, printed digits tell no two of them apart."""
    values = {abs(value) for scored in scores for value in known(scored).values() if abs(value) > LEAST_TOLD}
    if len(values) < FEWEST_IN_HALF:
        return None
    return next((bits for bits in HALVES if all(_is_of(value, bits) for value in values)), None)


def _is_of(value: float, bits: int) -> bool:
    step = math.ldexp(1.0, math.frexp(value)[1] - bits)
    return abs(value - round(value / step) * step) <= PRINTED


def in_common(one: Sequence[Scored], other: Sequence[Scored]) -> tuple[list[Scored], list[Scored]]:
    """What both scored, of two that scored the same ids. Figures of 16 bits are levelled."""
    places = {scored.position for scored in one} & {scored.position for scored in other}
    first, second = ([scored for scored in side if scored.position in places] for side in (one, other))
    if (bits := bits_of(second)) is not None:
        second = [_levelled(theirs, ours, MOST_SHIFTED[bits]) for theirs, ours in zip(first, second, strict=True)]
    elif (bits := bits_of(first)) is not None:
        first = [_levelled(theirs, ours, MOST_SHIFTED[bits]) for theirs, ours in zip(second, first, strict=True)]
    return first, second


def _levelled(theirs: Scored, ours: Scored, most: float) -> Scored:
    """Ours with the log-sum-exp, as far as 16 bits leave it open, that makes the divergence from theirs the least: the
    one by which the tokens that both list are as likely together."""
    one, other = known(theirs), known(ours)
    shared = one.keys() & other.keys()
    p, q = (math.fsum(math.exp(side[token]) for token in shared) for side in (one, other))
    shift = min(max(math.log(p / q), -most), most) if p > 0 and q > 0 else 0.0
    top = tuple((token, min(value + shift, 0.0)) for token, value in ours.top)
    return ours.but(logprob=min(ours.logprob + shift, 0.0), top=top)


def distances(theirs: Sequence[Scored], ours: Sequence[Scored], prompt_tokens: int) -> Distances:
    """Between the baseline's scores and the implementation's of the same sequence, which has at least one position.
    The largest |Δ log p| is over the continuation, whose ids are likely ones: that of an id which both sides find
    unlikely says nothing."""
    pairs = list(zip(theirs, ours, strict=True))
    divergences, outside = zip(*(kl_at_least(one, other) for one, other in pairs), strict=True)
    begin = next((k for k, (one, _) in enumerate(pairs) if one.position >= prompt_tokens), 0)
    generated = pairs[begin:]
    worst = max(generated, key=lambda pair: abs(pair[0].logprob - pair[1].logprob))
    half = len(pairs) // 2
    early, late = divergences[:half] or divergences, divergences[half:]
    return Distances(
        positions=len(pairs),
        continuation=sum(one.position >= prompt_tokens for one in theirs),
        mean_kl=_mean(divergences),
        p99_kl=quantile(divergences, 0.99),
        outside=_mean(outside[begin:]),
        largest_delta=abs(worst[0].logprob - worst[1].logprob),
        largest_at=worst[0].position,
        same_top=_mean([float(_first(one) == _first(other)) for one, other in pairs]),
        perplexity=_perplexity([other for _, other in generated]),
        baseline_perplexity=_perplexity([one for one, _ in generated]),
        early_kl=_mean(early),
        late_kl=_mean(late),
        grows_p=later_is_larger(early, late) if half >= FEWEST_EACH else None,
    )


def largest_delta(one: Sequence[Scored], other: Sequence[Scored]) -> float:
    """The least that the largest |Δ log p| can be over all that either side reported at all positions: what tells two
    sides from one that was printed twice. A token that only one side lists is on the other at most as likely as the
    last of its list."""
    return max((_apart(a, b) for a, b in zip(one, other, strict=True)), default=0.0)


def _apart(one: Scored, other: Scored) -> float:
    pairs = ((known(one), other), (known(other), one))
    return max(value - most_of(side, token)[0] for mine, side in pairs for token, value in mine.items())


def later_is_larger(early: Sequence[float], late: Sequence[float]) -> float:
    """How likely the values of the second half are so much larger by chance: the rank-sum test of Mann and Whitney
    (1947), one-sided, by the normal approximation with its correction for ties. No single position decides it."""
    m, n = len(early), len(late)
    ordered = sorted((*early, *late))
    ranks: dict[float, float] = {}
    ties = 0.0
    start = 0
    while start < len(ordered):
        end = start
        while end < len(ordered) and ordered[end] == ordered[start]:
            end += 1
        ranks[ordered[start]] = (start + 1 + end) / 2
        ties += (end - start) ** 3 - (end - start)
        start = end
    u = math.fsum(ranks[value] for value in late) - n * (n + 1) / 2
    total = m + n
    variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((u - m * n / 2 - 0.5) / math.sqrt(2 * variance))


def _first(scored: Scored) -> int | None:
    return scored.top[0][0] if scored.top else None


def _perplexity(scores: Sequence[Scored]) -> float:
    return math.exp(min(-_mean([s.logprob for s in scores]), 700.0))


def _mean(values: Sequence[float] | Mapping[int, float]) -> float:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)
