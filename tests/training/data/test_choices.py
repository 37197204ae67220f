"""Choices are drawn with the probabilities that are planted."""

from __future__ import annotations

import numpy as np

from training.data.choices import choices


def test_choices_are_as_likely_as_preference_times_weight() -> None:
    """Against the probabilities that the docstring states, within five standard errors."""
    group, weight = np.array([2, 0, 2, 1, 0]), np.array([1.0, 2.0, 3.0, 0.5, 0.25])
    for preference in ([1.0, 1.0, 1.0], [5.0, 0.5, 1.0], [0.0, 0.0, 3.0]):
        expected = np.array(preference)[group] * weight
        expected /= expected.sum()
        drawn = choices(np.random.default_rng(0), np.tile(preference, (40_000, 1)), group, weight)
        shares = np.bincount(drawn, minlength=5) / 40_000
        assert (abs(shares - expected) <= 5 * np.sqrt(expected * (1 - expected) / 40_000)).all()
