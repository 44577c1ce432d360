"""After which rounds a verdict may be given, and how wide an interval has to be for that.

A run that stops as soon as its gates are decided looks at its data after every round. Student's interval does not
allow for that: looked at after each of 30 rounds, one of nominal 2.5 % is wrong in 13 %. A confidence sequence holds at
all rounds at once. This is the Gaussian-mixture t confidence sequence (Lai 1976; Wang and Ramdas, "Anytime-valid
t-tests and confidence sequences for Gaussian means with unknown variance", arXiv 2310.03722).

It follows from Ville's inequality. For n values with mean m and variance s² (divisor n), let δ = µ ÷ σ be drawn from
N(0, 1 ÷ c²), and integrate both likelihoods over σ by dσ ÷ σ. The likelihood ratio against mean 0,

    √(c² ÷ (n + c²)) · (Σx² ÷ (Σx² − (Σx)² ÷ (n + c²)))^(n/2),

is a martingale that begins at 1, so it reaches 1 ÷ α at any time with a probability of at most α. All µ for which
x − µ does not reach it: |m − µ| ≤ s √(k ÷ (n − k)), k = (n + c²)(1 − r), r = (α² c² ÷ (n + c²))^(1/n).
"""

import math
from dataclasses import dataclass
from functools import cache

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE

LEAST = 5
"""No interval of fewer rounds gives a verdict."""

PLENTY = 8
"""From this many rounds, an interval gives a verdict as it is. It is even, so that each order of two runtimes has come
equally often."""

FEW_FACTOR = 1.25
"""With fewer rounds than `PLENTY`, an interval is widened by this factor on both sides. The trials of a runtime that
has two modes may all have been in one of them: with equally likely modes, 5 rounds are so in one run of 16, and 8 in
one of 128. Then nothing in the data shows the other mode. Modes a factor of 1.5 apart move the centre by √1.5 = 1.22.
"""

MIXTURE = 0.25
"""c² above. Small values suit large effects: 1 ÷ c² = 4 is a ratio two standard deviations of a round off its bound."""


@dataclass(frozen=True)
class Looks:
    """When the rounds of a run are judged. `last`: the most rounds that it may have. `fixed`: it has exactly that many,
    and is judged once, with Student's interval; otherwise after each round from `LEAST` on. `planned`: how many it was
    to have at most before some were added; what is judged at set numbers of rounds alone takes no more."""

    last: int
    fixed: bool = False
    planned: int | None = None

    def among(self, rounds: int) -> tuple[int, ...]:
        """The numbers of rounds, up to those that there are, after which an interval is judged."""
        if self.fixed:
            return (rounds,) if rounds >= LEAST else ()
        return tuple(range(LEAST, rounds + 1))

    def multiplier(self, rounds: int, alpha: float = ALPHA) -> float:
        """Half the width of an interval, in standard deviations with divisor n; infinite where there is none."""
        if rounds < 2:
            return math.inf
        return _student(rounds, alpha) if self.fixed else _sequence(rounds, alpha)

    def margin(self, rounds: int) -> float:
        """The factor by which an interval is widened because there are few rounds."""
        return FEW_FACTOR if LEAST <= rounds < PLENTY else 1.0


def family_tail(verdicts: int) -> float:
    """How often one verdict may be a false FAIL, where a run has that many required verdicts of intervals.

    All gates must pass for a run to pass, so that PASS needs no correction. A run fails by any single FAIL: this keeps
    the probability of a false one at 5 % over all of them (Bonferroni)."""
    return ALPHA / max(1, verdicts)


@cache
def _sequence(n: int, alpha: float) -> float:
    r = (alpha**2 * MIXTURE / (n + MIXTURE)) ** (1 / n)
    k = (n + MIXTURE) * (1 - r)
    return math.sqrt(k / (n - k)) if k < n else math.inf


@cache
def _student(n: int, alpha: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - alpha / 2)) / math.sqrt(n - 1)
