"""Calibration: planted probabilities with a known gap, and each link's probability of a like."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve

from handlers.recommender.model.link import Logistic, Ordinal, Regression
from training.metrics.calibration import BINS, like_probabilities, reliability

ORDINAL = Ordinal((1.0, 2.0, 3.0, 4.0, 5.0), (1.4, 2.3, 3.2, 4.1), 0.8)


@pytest.fixture(scope="module")
def draws() -> tuple[np.ndarray, np.ndarray]:
    """Likes and the probabilities that they were drawn with."""
    rng = np.random.default_rng(0)
    probabilities = rng.uniform(0.2, 0.8, 200_000)
    return rng.random(len(probabilities)) < probabilities, probabilities


def test_true_probabilities_have_no_error(draws) -> None:
    assert reliability(*draws).error < 0.005


@pytest.mark.parametrize("gap", [-0.1, 0.05, 0.2])
def test_shifted_probabilities_have_an_error_of_the_shift(draws, gap: float) -> None:
    likes, probabilities = draws
    assert reliability(likes, probabilities + gap).error == pytest.approx(abs(gap), abs=0.005)


def test_bins_weigh_their_counts() -> None:
    likes, probabilities = np.array([1, 1, 1, 0]), np.array([0.9, 0.9, 0.9, 0.25])
    assert reliability(likes, probabilities).error == pytest.approx((3 * 0.1 + 0.25) / 4)


def test_the_curve_is_scikit_learns(draws) -> None:
    curve = reliability(*draws)
    observed, predicted = calibration_curve(*draws, n_bins=BINS)
    np.testing.assert_allclose(curve.observed, observed)
    np.testing.assert_allclose(curve.predicted, predicted)
    assert curve.counts.sum() == len(draws[0])


def test_the_ends_of_the_scale_are_in_the_first_and_last_bin() -> None:
    curve = reliability(np.array([0, 1]), np.array([0.0, 1.0]))
    assert curve.counts.tolist() == [1, 1]
    assert curve.error == 0


@pytest.mark.parametrize("like_above", [0.5, 1, 2.5, 3, 4, 5])
def test_levels_are_above_a_rating_as_often_as_the_noise_puts_them_there(like_above: float) -> None:
    raw = torch.tensor([2.0, 3.5])
    noisy = raw.numpy() + np.random.default_rng(0).normal(scale=ORDINAL.noise_std, size=(200_000, 2))
    drawn = np.array(ORDINAL.levels)[np.searchsorted(ORDINAL.cuts, noisy)]
    expected = (drawn > like_above).mean(axis=0)
    np.testing.assert_allclose(like_probabilities(raw, ORDINAL, like_above), expected, atol=0.005)


def test_logits_are_probabilities_and_plain_ratings_are_none() -> None:
    raw = torch.tensor([-2.0, 0.0, 2.0])
    np.testing.assert_allclose(like_probabilities(raw, Logistic(3), 3), 1 / (1 + np.exp(-raw.numpy())), rtol=1e-6)
    assert like_probabilities(raw, Regression(1, 5, 1.0), 3) is None
