"""How much a runtime's own trials vary, without what all runtimes of a round share. Pure.

Two series of logarithms of the same rounds: own = S + e, others = S + f. S is what the machine did to the whole round.
Its slow part is a trend that `others` show, and is taken off both. What is left of it is estimated: the covariance of
(own, others) is [[v + τ, τ], [τ, w + τ]] with τ ≥ 0 and w ≥ 0, and v, the runtime's own variance, is judged by its
profile likelihood. Where the others don't vary with it, this is the chi-square interval of a variance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from parity.stats.trend import Basis, basis_of, fit_trend, without

OTHERS_VARY = 0.25
"""Share of the runtime's variance from which on that of the others may explain it. With less, the machine can't have
done much, and the lower end is that of a variance alone."""

SHARED_PARAMETERS = 3
"""v, τ and w: in few rounds, chance makes the likelihood of three parameters too steep."""

TREND_ALPHA = 0.001
"""Two sides whose trends differ more than this lets chance explain do not share them."""


@dataclass(frozen=True)
class Series:
    """Logarithms of one runtime's values, and of the others' geometric mean in the same rounds; `others` None where
    there is no other runtime. Times are in rounds from the start."""

    own: tuple[float, ...]
    own_times: tuple[float, ...]
    others: tuple[float, ...] | None
    other_times: tuple[float, ...] | None

    def only(self, kept: Sequence[int]) -> "Series":
        """The rounds at the given places."""
        own, own_times = (tuple(side[k] for k in kept) for side in (self.own, self.own_times))
        if self.others is None or self.other_times is None:
            return Series(own, own_times, None, None)
        others, other_times = (tuple(side[k] for k in kept) for side in (self.others, self.other_times))
        return Series(own, own_times, others, other_times)


@dataclass(frozen=True)
class Spread:
    """A coefficient of variation with its interval. `degrees`: of freedom. `drift`: a trend was taken off.
    `alone`: it has a trend, and there is no other runtime to show whether that is the machine's."""

    cv: float
    low: float
    high: float
    degrees: int
    drift: bool
    alone: bool = False


@dataclass(frozen=True)
class Residuals:
    """What is left of both series without their trend."""

    own: Sequence[float]
    others: Sequence[float] | None
    degrees: int


@lru_cache(maxsize=64)
def residuals(series: Series) -> Residuals:
    """Without the trend that the others show, if the runtime shows the same one; a drift of its own stays."""
    if series.others is None or series.other_times is None:
        return Residuals(without(basis_of(series.own_times, 0, None), series.own), None, len(series.own) - 1)
    degree, frequency = fit_trend(series.other_times, series.others)
    basis = basis_of(series.own_times, degree, frequency)
    if _differ_in_trend(series.own, series.others, basis):
        degree, frequency = 0, None
        basis = basis_of(series.own_times, 0, None)
    others = without(basis_of(series.other_times, degree, frequency), series.others)
    return Residuals(without(basis, series.own), others, len(series.own) - len(basis))


def _differ_in_trend(own: Sequence[float], others: Sequence[float], basis: Basis) -> bool:
    """Whether own − others has a share in the trend beyond chance (F test)."""
    from scipy.special import fdtrc

    terms, degrees = len(basis) - 1, len(own) - len(basis)
    if terms < 1:
        return False
    apart = [x - y for x, y in zip(own, others, strict=True)]
    left = math.fsum(x * x for x in without(basis, apart))
    in_trend = math.fsum(x * x for x in without(basis[:1], apart)) - left
    return float(fdtrc(terms, degrees, in_trend / terms / max(left / degrees, 1e-18))) < TREND_ALPHA


def own_spread(series: Series, pass_alpha: float, fail_alpha: float) -> Spread:
    """The coefficient of variation of a log-normal runtime. `pass_alpha` and `fail_alpha`: the probabilities with which
    the truth lies above the upper end, and below the lower end. Needs at least 3 rounds.

    What others show of the machine lowers both ends. The lower one is not above what the likelihood gives even where
    their correlation may be chance: in few rounds it often is not seen. Without others, a trend may be the machine's or
    the runtime's own, and the interval reaches from what is left without it to the whole."""
    left = residuals(series)
    n = left.degrees
    own = max(math.fsum(x * x for x in left.own) / n, 1e-18)
    drift = n < len(series.own) - 1
    low, high = _chi_square(own, n, fail_alpha, pass_alpha)
    if left.others is None:
        degree, frequency = fit_trend(series.own_times, series.own)
        if degree == 0:
            return Spread(_cv(own), _cv(low), _cv(high), n, drift)
        basis = basis_of(series.own_times, degree, frequency)
        fewer = len(series.own) - len(basis)
        rest = max(math.fsum(x * x for x in without(basis, series.own)) / fewer, 1e-18)
        low = min(low, _chi_square(rest, fewer, fail_alpha, pass_alpha)[0])
        return Spread(_cv(own), _cv(low), _cv(high), n, drift, alone=True)
    others = max(math.fsum(x * x for x in left.others) / n, 1e-18)
    both = math.fsum(x * y for x, y in zip(left.own, left.others, strict=True)) / n
    likely = _Likelihood(own, others, both, n)
    high = min(high, likely.end(pass_alpha, upper=True))
    low = min(low, likely.end(fail_alpha, upper=False))
    return Spread(_cv(max(low, min(likely.centre, high))), _cv(low), _cv(high), n, drift)


class _Likelihood:
    """−2 ÷ n × the log-likelihood of v, at the best τ and w."""

    STEPS = 20

    def __init__(self, own: float, others: float, both: float, degrees: int) -> None:
        self._own, self._others, self._both, self._n = own, others, both, degrees
        grid = [own * math.exp(-6 + 7 * k / 60) for k in range(61)]
        self.centre = min([*grid, max(own - max(both, 0.0), own * 1e-4)], key=self.at)
        self._least = self.at(self.centre)

    def at(self, v: float) -> float:
        """The profile. A is normal with variance v + τ, and B given A with mean βA, β = τ ÷ (v + τ), and a variance of
        at least βv."""
        return min(self._given(v, v * ratio) for ratio in _RATIOS)

    def _given(self, v: float, shared: float) -> float:
        whole = v + shared
        slope = shared / whole
        rest = self._others - 2 * slope * self._both + slope * slope * self._own
        variance = max(rest, slope * v, 1e-18)
        return math.log(whole) + self._own / whole + math.log(variance) + rest / variance

    def end(self, alpha: float, *, upper: bool) -> float:
        """The v above or below the centre that is as unlikely as a variance with a tail of `alpha` beyond it."""
        worst = _drop(self._n, alpha, upper=upper)
        if not upper and self._others >= OTHERS_VARY * self._own:
            worst = max(worst, _drop_of_slope(self._n - SHARED_PARAMETERS, alpha))
        near, far = self.centre, self.centre * (1e4 if upper else 1e-4)
        for _ in range(self.STEPS):
            middle = math.sqrt(near * far)
            if self.at(middle) - self._least < worst:
                near = middle
            else:
                far = middle
        return far if upper else near


_RATIOS = (0.0, *(10 ** (-2 + 4 * k / 24) for k in range(25)))
"""τ ÷ v."""


def _drop(n: int, alpha: float, *, upper: bool) -> float:
    """How far −2 ÷ n × the log-likelihood of a variance rises from its least value to the end of the exact interval."""
    from scipy.special import chdtri

    ratio = float(chdtri(n, 1 - alpha if upper else alpha)) / n
    return ratio - 1 - math.log(ratio)


def _drop_of_slope(degrees: int, alpha: float) -> float:
    """How far it rises to the end of Student's interval of the slope of a regression, here that of others on own."""
    from scipy.special import stdtrit

    t = float(stdtrit(max(degrees, 1), 1 - alpha))
    return math.log1p(t * t / max(degrees, 1))


def _chi_square(variance: float, n: int, low_tail: float, high_tail: float) -> tuple[float, float]:
    from scipy.special import chdtri

    return variance * n / float(chdtri(n, low_tail)), variance * n / float(chdtri(n, 1 - high_tail))


def _cv(variance: float) -> float:
    """Of a log-normal variable whose logarithm has this variance."""
    return math.sqrt(math.expm1(min(variance, 50.0)))
