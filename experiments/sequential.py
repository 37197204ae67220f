"""Two versions compared so that one may look every day: the mixture sequential probability ratio test.

An ordinary interval of 95 % holds for one look. Whoever looks every day and stops at the first difference is wrong far
more often. The intervals here hold at all looks together: with probability ``1 - ALPHA`` none of them ever misses.

The unit is the user, because the lists of one user are alike. Symbols: user ``i`` of a version saw ``n_i`` lists, which
earned ``c_i`` events. The version's rate is ``R = sum c_i / sum n_i``. Its variance is that of a ratio of two sums over
users (the delta method: Deng, Knoblich and Lu, "Applying the Delta Method in Metric Analytics", KDD 2018).

The test: Johari, Koomen, Pekelis and Walsh, "Peeking at A/B Tests", KDD 2017, and "Always Valid Inference", Operations
Research 2022. Its difference is normal by the central limit theorem, so it needs some users.
"""

from __future__ import annotations

import math
from typing import NamedTuple

ALPHA = 0.05  # the probability that a difference is found where there is none, over all looks together
# Below these the normal approximation is bad, and nothing is concluded.
LEAST_USERS = 50  # of each version
LEAST_EVENTS = 30  # that each version would have at the rate of both together
UNEVEN = 4.0  # standard deviations by which the number of users may differ from the share


class Counts(NamedTuple):
    """Sums over the users of a version. ``n``: lists of a user; ``c``: events that these earned."""

    users: int = 0
    n: int = 0
    c: int = 0
    nn: int = 0
    nc: int = 0
    cc: int = 0

    @property
    def rate(self) -> float:
        """Events a list, R; 0 without lists."""
        return self.c / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Of the rate: ``k / (k - 1) sum (c_i - R n_i)^2 / (sum n_i)^2`` for k users; infinite below two."""
        if self.users < 2:
            return math.inf
        residuals = self.cc - 2 * self.rate * self.nc + self.rate**2 * self.nn
        return self.users / (self.users - 1) * max(residuals, 0.0) / self.n**2


class Versions(NamedTuple):
    """The counts of A and B; and where the same lists have movies of both, each user's ``c`` of B less that of A."""

    a: Counts
    b: Counts
    paired: Counts | None = None


class Comparison(NamedTuple):
    """B beside A. ``low`` and ``high``: the interval of the difference of the rates, valid at all looks together."""

    difference: float  # R_B - R_A, events a list
    low: float
    high: float
    p: float  # always-valid: 1 / likelihood ratio at this look, at most 1
    enough: bool  # whether there are enough users and events to conclude anything

    @property
    def verdict(self) -> str:
        """ "better", "worse", "open" or "too few": of B."""
        if not self.enough:
            return "too few"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "open"


def compare(a: Counts, b: Counts, effect: float, paired: Counts | None = None) -> Comparison:
    """The test of ``R_A = R_B``. ``effect``: the relative difference that it finds soonest; ``paired``: of Versions."""
    tau = _tau(a, b, effect)
    difference, variance = b.rate - a.rate, paired.variance if paired else a.variance + b.variance
    r = radius(variance, tau)
    rate = (a.c + b.c) / max(a.n + b.n, 1)
    enough = all(one.users >= LEAST_USERS and rate * one.n >= LEAST_EVENTS for one in (a, b))
    p = p_value(difference, variance, tau) if enough else 1.0
    return Comparison(difference, difference - r, difference + r, p, enough)


def interval(one: Counts, a: Counts, b: Counts, effect: float) -> tuple[float, float]:
    """The interval of the rate of one of both versions, valid at all looks together; a rate is not below zero."""
    r = radius(one.variance, _tau(a, b, effect))
    return max(one.rate - r, 0.0), one.rate + r


def radius(variance: float, tau: float) -> float:
    """Half the width of the interval around an estimate that has ``variance``.

    It holds the differences that the test at ``ALPHA`` does not reject: the likelihood ratio of N(d, v + tau^2) to
    N(d, v), which is ``sqrt(v / (v + tau^2)) exp(tau^2 x^2 / (2 v (v + tau^2)))`` at distance x, is below 1 / ALPHA.
    """
    if not tau or math.isinf(variance):
        return math.inf
    if not variance:
        return 0.0
    v, t = variance, tau * tau
    return math.sqrt(v * (v + t) / t * math.log((v + t) / (v * ALPHA * ALPHA)))


def p_value(difference: float, variance: float, tau: float) -> float:
    """One over the likelihood ratio (``radius``), at most 1."""
    if not tau or math.isinf(variance):
        return 1.0
    if not variance:
        return 0.0 if difference else 1.0
    v, t = variance, tau * tau
    log_ratio = 0.5 * math.log(v / (v + t)) + t * difference * difference / (2 * v * (v + t))
    return math.exp(min(-log_ratio, 0.0))


def is_uneven(a: Counts, b: Counts, share: float) -> bool:
    """Whether the users do not divide as ``share`` says: then lists are missing, and the comparison is not fair.

    (Fabijan and others, "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", 2019.)
    """
    users = a.users + b.users
    return abs(b.users - share * users) > UNEVEN * math.sqrt(share * (1 - share) * users)


def _tau(a: Counts, b: Counts, effect: float) -> float:
    """The standard deviation of the differences that the mixture expects, events a list."""
    return effect * (a.c + b.c) / max(a.n + b.n, 1)
