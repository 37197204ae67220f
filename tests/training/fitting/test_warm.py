"""DeepFM of a log of likes: a machine by least squares, and the perceptron on top of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.training.fits import fitted, quick
from training.data import RatingsLog, generate
from training.fitting import warm
from training.interactions import encode


@pytest.fixture(scope="module")
def likes() -> RatingsLog:
    log = generate(seed=3, users=150, movies=80, ratings=4_000).log
    return dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])


def test_it_tells_likes_from_what_is_drawn(likes: RatingsLog) -> None:
    order = np.random.default_rng(0).permutation(len(likes))
    train, validation = np.sort(order[400:]), np.sort(order[:400])
    estimator = fitted("deepfm", likes, quick("deepfm", "like", als_sweeps=5), train, validation)
    held_out = encode(likes, True).take(validation)
    drawn = np.random.default_rng(1).integers(1, held_out.shape[1], len(held_out))
    scores = [estimator.raw_scores(held_out.user_rows, movies).mean() for movies in (held_out.movie_rows, drawn)]
    assert scores[0] > scores[1] + 0.3


def test_a_wider_network_has_zeros_behind_the_machine(likes: RatingsLog, monkeypatch) -> None:
    monkeypatch.setattr(warm, "LIKE_FACTORS", 4)
    estimator = fitted("deepfm", likes, quick("deepfm", "like", n_factors=6, als_sweeps=2), np.arange(len(likes)))
    for side in (estimator.network.users, estimator.network.items):
        vectors = side.embeddings.weight[1:, :-1]
        assert torch.count_nonzero(vectors[:, :4]) > 0
        assert torch.count_nonzero(vectors[:, 4:]) == 0
