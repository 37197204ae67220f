"""What networks are fitted to."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from training.data import generate
from training.fitting.targets import confidences
from training.interactions import Interactions, encode


@pytest.fixture
def likes() -> Interactions:
    data = encode(generate(users=20, movies=10, ratings=80).log, False)
    return dataclasses.replace(data, weights=np.arange(1, 81, dtype=np.float32))


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_confidences_are_powers_of_weights_beside_their_mean(likes: Interactions, power: float) -> None:
    found = confidences(likes, power)
    assert found.mean() == pytest.approx(1, rel=1e-5)
    assert found[63] / found[0] == pytest.approx(64**power, rel=1e-5)


def test_without_weights_and_without_power_all_are_sure(likes: Interactions) -> None:
    for rows, power in ((likes, 0.0), (dataclasses.replace(likes, weights=None), 1.0)):
        assert (confidences(rows, power) == 1).all()


def test_the_largest_weights_do_not_overflow(likes: Interactions) -> None:
    likes.weights[:] = np.float32(3e38)
    assert confidences(likes, 1.0) == pytest.approx(np.ones(80))
