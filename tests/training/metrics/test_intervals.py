"""Values and intervals of metrics against slow, plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score

from training.metrics import intervals

METRICS = {
    "mean": (lambda a, likes, who: intervals.mean(a, who), lambda a, likes: a.mean()),
    "root mean": (lambda a, likes, who: intervals.root_mean(a**2, who), lambda a, likes: (a**2).mean() ** 0.5),
    "auc": (intervals.auc, lambda a, likes: roc_auc_score(likes, a)),
}


def drawn(seed: int, users: int = 80, worse: float = 0.0, unequal: float = 0.0):
    """Scores of two models, which differ by ``worse`` in how well they tell likes, and whose rows they are of.

    ``unequal``: standard deviation of the logarithm of how many rows a user has.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0, unequal, users)
    drawn = rng.choice(users, 8 * users, p=activity / activity.sum())
    who = np.sort(np.concatenate([np.arange(users), drawn]))
    taste = rng.normal(0, 1, users)[who]
    likes = taste + rng.normal(0, 1, len(who)) > 0
    shared = taste + likes + rng.normal(0, 1, len(who))
    first, second = (shared + rng.normal(0, 0.5, len(who)) for _ in range(2))
    return first.round(1), (second - worse * likes).round(1), likes, who


@pytest.mark.parametrize("metric", METRICS)
def test_the_value_follows_its_definition(metric: str) -> None:
    estimate, plain = METRICS[metric]
    scores, _, likes, who = drawn(0)
    assert estimate(scores, likes, who).value == pytest.approx(plain(scores, likes))
    assert estimate(scores, likes, who).parts.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_is_as_wide_as_that_of_a_bootstrap_over_users(metric: str) -> None:
    estimate, plain = METRICS[metric]
    first, second, likes, who = drawn(1)
    found = intervals.compared(estimate(first, likes, who), estimate(second, likes, who))
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(who == user) for user in range(who.max() + 1)]
    again = []
    for _ in range(600):
        drawn_rows = np.concatenate([rows[user] for user in rng.integers(0, len(rows), len(rows))])
        again.append(plain(second[drawn_rows], likes[drawn_rows]) - plain(first[drawn_rows], likes[drawn_rows]))
    wide = 2 * 2.64 * np.std(again)  # 2.64: the 99.5th percentile of Student's distribution, 79 degrees of freedom
    assert found["high"] - found["low"] == pytest.approx(wide, rel=0.12)


def test_the_interval_of_one_row_a_user_is_that_of_a_paired_t_test() -> None:
    first, second = np.random.default_rng(2).normal(0, 1, (2, 50))
    who = np.arange(50)
    found = intervals.compared(intervals.mean(first, who), intervals.mean(second, who))
    expected = ttest_rel(second, first).confidence_interval(intervals.CONFIDENCE)
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("unequal", [0.0, 1.2])
@pytest.mark.parametrize("metric", METRICS)
def test_without_a_difference_the_interval_misses_zero_as_often_as_it_says(metric: str, unequal: float) -> None:
    estimate, _ = METRICS[metric]
    missed = 0
    for seed in range(500):
        first, second, likes, who = drawn(seed, users=20, unequal=unequal)
        found = intervals.compared(estimate(first, likes, who), estimate(second, likes, who))
        missed += not found["low"] <= 0 <= found["high"]
    # 5 of 500 are expected; 14 or more come up once in a thousand times.
    assert missed < 14


def test_a_difference_is_found() -> None:
    first, second, likes, who = drawn(3, worse=0.7)
    found = intervals.compared(*(intervals.auc(scores, likes, who) for scores in (first, second)))
    assert found["high"] < 0
