"""The test against integrals, its variance against the bootstrap, and its errors over simulated months."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from experiments.sequential import ALPHA, Counts, compare, interval, is_uneven, p_value, radius

DAYS, RUNS = 30, 200


def counts(n: np.ndarray, c: np.ndarray) -> Counts:
    """Of users with ``n`` lists and ``c`` events each (integers)."""
    seen = n > 0
    return Counts(int(seen.sum()), *(int(term.sum()) for term in (n, c, n * n, n * c, c * c)))


@pytest.mark.parametrize("x", [0.0, 0.02, -0.1, 0.3])
def test_the_p_value_is_one_over_the_mixture_of_likelihood_ratios(x: float) -> None:
    variance, tau = 0.003, 0.05

    def ratio(delta: float) -> float:
        return norm.pdf(x, delta, variance**0.5) / norm.pdf(x, 0, variance**0.5) * norm.pdf(delta, 0, tau)

    mixture, _ = quad(ratio, -1, 1, points=[x, 0])
    assert p_value(x, variance, tau) == pytest.approx(min(1 / mixture, 1))


@pytest.mark.parametrize(("variance", "tau"), [(0.003, 0.05), (1e-6, 0.01), (0.2, 0.001)])
def test_the_interval_ends_where_the_test_begins_to_reject(variance: float, tau: float) -> None:
    r = radius(variance, tau)
    assert p_value(r, variance, tau) == pytest.approx(ALPHA)
    assert r > norm.ppf(1 - ALPHA / 2) * variance**0.5  # one look may be surer


def test_the_variance_is_that_of_users_drawn_anew() -> None:
    draw = np.random.default_rng(0)
    n = draw.geometric(0.2, 400)
    c = draw.binomial(n, draw.beta(1, 4, 400))  # a user's lists are alike
    rates = []
    for _ in range(4000):
        again = draw.integers(0, 400, 400)
        rates.append(c[again].sum() / n[again].sum())
    one = counts(n, c)
    assert one.variance == pytest.approx(np.var(rates), rel=0.1)
    by_lists = one.rate * (1 - one.rate) / one.n  # as if lists were independent
    assert one.variance > 1.5 * by_lists


def test_too_little_concludes_nothing() -> None:
    few, many = Counts(49, 490, 49, 4900, 490, 49), Counts(5000, 50_000, 50_000, 500_000, 500_000, 500_000)
    assert compare(few, many, 0.1).verdict == "too few"
    assert compare(Counts(), Counts(), 0.1) == (0, -math.inf, math.inf, 1, False)
    rare = Counts(1000, 1000, 2, 1000, 2, 2)
    assert compare(rare, rare, 0.1).verdict == "too few"
    assert interval(Counts(), many, many, 0.1) == (0, math.inf)


def test_a_version_that_earns_nothing_is_found() -> None:
    n, some = np.full(1000, 5), np.tile([0, 1], 500)
    assert compare(counts(n, some), counts(n[:200], 0 * some[:200]), 0.1).verdict == "worse"
    assert compare(counts(n, 0 * some), counts(n, some), 0.1).verdict == "better"


def test_a_share_that_is_not_that_of_the_users_is_noticed() -> None:
    a, b = Counts(users=9000), Counts(users=1000)
    assert not is_uneven(a, b, 0.1)
    assert not is_uneven(a, b._replace(users=1100), 0.1)
    assert is_uneven(a, b._replace(users=850), 0.1)
    assert not is_uneven(Counts(), Counts(), 0.1)


def month(draw: np.random.Generator, users: int, share: float, rate: float, uplift: float) -> tuple[list[Counts], ...]:
    """The counts of A and B after each of 30 days.

    Users come and come back as often as they like to, and differ in how often they click; B's click ``1 + uplift``
    times as often.
    """
    is_b = draw.random(users) < share
    first = draw.integers(0, DAYS, users) * (draw.random(users) < 0.7)  # most users come later
    daily = draw.gamma(0.5, 2 * 0.4, users)  # lists a day: 0.4 on average, a few users have many
    clicks = np.minimum(draw.gamma(0.7, rate / 0.7, users), 1) * np.where(is_b, 1 + uplift, 1)
    n = draw.poisson(daily * (np.arange(DAYS)[:, None] >= first))  # [DAYS, users]
    c = draw.binomial(n, np.minimum(clicks, 1))
    n, c = n.cumsum(0), c.cumsum(0)
    return tuple([counts(n[day, which], c[day, which]) for day in range(DAYS)] for which in (~is_b, is_b))


def verdicts(uplift: float, users: int, share: float, rate: float) -> list[set[str]]:
    """Of each of 200 months, what it said on any day."""
    draw = np.random.default_rng(1)
    found = []
    for _ in range(RUNS):
        a, b = month(draw, users, share, rate, uplift)
        found.append({compare(*day, effect=0.1).verdict for day in zip(a, b)})
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("users", "share", "rate"), [(2000, 0.5, 0.1), (5000, 0.1, 0.1), (1000, 0.1, 0.3), (5000, 0.1, 0.01)]
)
def test_no_difference_is_found_where_there_is_none_however_often_one_looks(
    users: int, share: float, rate: float
) -> None:
    alarms = sum(bool(said & {"better", "worse"}) for said in verdicts(0.0, users, share, rate))
    assert alarms <= ALPHA * RUNS


@pytest.mark.slow
def test_a_planted_difference_is_found() -> None:
    said = verdicts(0.3, 10_000, 0.5, 0.1)
    assert sum("better" in one for one in said) >= 0.9 * RUNS
    assert not any("worse" in one for one in said)


@pytest.mark.slow
def test_an_ordinary_interval_errs_far_more_often_when_one_looks_every_day() -> None:
    """Why the test is not the ordinary one."""
    draw, alarms = np.random.default_rng(1), 0
    for _ in range(RUNS):
        days = zip(*month(draw, 2000, 0.5, 0.1, 0.0))
        z = [abs(b.rate - a.rate) / (a.variance + b.variance) ** 0.5 for a, b in days if compare(a, b, 0.1).enough]
        alarms += max(z) > norm.ppf(1 - ALPHA / 2)
    assert alarms > 2 * ALPHA * RUNS


def interleaved_verdicts(uplift: float) -> list[set[str]]:
    """Of each of 200 months of 1,000 users whose lists have movies of both versions, what it said on any day."""
    draw, users, found = np.random.default_rng(2), 1000, []
    for _ in range(RUNS):
        daily, clicks = draw.gamma(0.5, 0.8, users), np.minimum(draw.gamma(0.7, 0.1 / 0.7, users), 0.5)
        n = draw.poisson(np.broadcast_to(daily, (DAYS, users)))
        a, b = draw.binomial(n, clicks), draw.binomial(n, np.minimum(clicks * (1 + uplift), 1))
        n, a, b = n.cumsum(0), a.cumsum(0), b.cumsum(0)
        said = set()
        for day in range(DAYS):
            of_a, of_b, paired = (counts(n[day], c) for c in (a[day], b[day], b[day] - a[day]))
            said.add(compare(of_a, of_b, 0.1, paired).verdict)
        found.append(said)
    return found


@pytest.mark.slow
def test_interleaving_finds_no_difference_where_there_is_none() -> None:
    assert sum(bool(said & {"better", "worse"}) for said in interleaved_verdicts(0.0)) <= ALPHA * RUNS


@pytest.mark.slow
def test_interleaving_finds_a_planted_difference() -> None:
    said = interleaved_verdicts(0.3)
    assert sum("better" in one for one in said) >= 0.9 * RUNS
    assert not any("worse" in one for one in said)
