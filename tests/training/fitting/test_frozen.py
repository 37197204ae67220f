"""What is computed once an entity gives the scores and the perceptron's gradients of every batch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.training.fits import gradients, quick
from training.data import generate
from training.estimators import ESTIMATORS
from training.fitting import adam, warm
from training.fitting.frozen import FrozenEmbeddings, FrozenParts
from training.fitting.tensors import InteractionTensors
from training.interactions import encode


@pytest.mark.parametrize("features", [True, False])
@pytest.mark.parametrize("part", ["use_fm", "use_mlp", "both"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_scores_and_gradients_are_those_of_the_network(log_and_truth, features: bool, part: str, dtype: type) -> None:
    settings = quick("deepfm", "like", **({} if part == "both" else {part: False}))
    estimator = ESTIMATORS["deepfm"](settings)
    rows = encode(log_and_truth[0], features).take(np.arange(500))
    rows = dataclasses.replace(rows, user_rows=rows.user_rows.astype(dtype), movie_rows=rows.movie_rows.astype(dtype))
    network = estimator.fresh_network(rows).eval()  # no dropout
    torch.nn.init.normal_(network.rest[-1].weight)
    for side in (network.users, network.items):
        side.requires_grad_(False)
    cpu = torch.device("cpu")
    found, expected = (
        tensors.scores(network, tensors.users, tensors.movies)
        for tensors in (
            FrozenEmbeddings(FrozenParts.of(network, rows), rows, settings, cpu),
            InteractionTensors(rows, settings, cpu),
        )
    )
    torch.testing.assert_close(found, expected)
    if settings.use_mlp:
        ours, theirs = (gradients(network, scores.square().mean()) for scores in (found, expected))
        assert ours.keys() == theirs.keys()
        for name, gradient in ours.items():
            torch.testing.assert_close(gradient, theirs[name])


def test_the_perceptron_learns_from_a_bounded_number_of_rows(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(warm, "TOP_ROWS", 1_000)
    monkeypatch.setattr(adam, "fit", lambda network, train, *_: seen.append(train))
    rows = encode(generate(users=100, movies=80, ratings=2_500).log, True)
    settings = quick("deepfm", "like", sweeps=2, burn_in=1)
    warm.fit(ESTIMATORS["deepfm"](settings).fresh_network(rows), rows, None, settings, 0, lambda *_: None)
    (some,) = seen
    pairs = some.user_rows.astype(int) * 1_000 + some.movie_rows
    assert len(set(pairs)) == 1_000
    assert np.isin(pairs, rows.user_rows.astype(int) * 1_000 + rows.movie_rows).all()
