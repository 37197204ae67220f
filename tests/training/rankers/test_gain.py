"""Which of several rankers is better, and not only luckier."""

from __future__ import annotations

import numpy as np

from training.rankers.gain import best_of_users, is_certain


def test_a_gain_of_most_users_is_certain_and_one_of_few_is_not() -> None:
    other = np.random.default_rng(0).random(400)
    assert is_certain(other + 0.01, other)
    of_one = other.copy()
    of_one[0] += 0.5
    assert not is_certain(of_one, other)
    assert not is_certain(other, other)


def test_one_user_and_no_user_show_nothing() -> None:
    assert not is_certain(np.ones(1), np.zeros(1))
    assert not is_certain(np.ones(0), np.zeros(0))


def test_the_first_setting_stays_unless_another_is_certainly_better() -> None:
    first = np.random.default_rng(0).random(400)
    luckier = first.copy()
    luckier[0] += 0.5
    assert best_of_users({1.0: first, 10.0: luckier}) == 1.0
    assert best_of_users({1.0: first, 10.0: first + 0.01, 100.0: first + 0.02}) == 100.0
