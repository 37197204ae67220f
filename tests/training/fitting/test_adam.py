"""Gradient descent: its weight decay, when it stops, and what it keeps."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.training.fits import fitted, gradients, quick, raw_scores, rmse
from training.estimators import ESTIMATORS
from training.fitting import adam
from training.fitting.losses import DivergedError
from training.fitting.tensors import InteractionTensors
from training.interactions import encode


@pytest.mark.parametrize("model", list(ESTIMATORS))
def test_who_is_encoded_once_has_the_gradients_of_each_row_alone(model: str, log_and_truth) -> None:
    settings = quick(model, decay=0.03, feature_decay=0.02)
    estimator = ESTIMATORS[model](settings)
    everything = encode(log_and_truth[0], estimator.uses_features)
    network = estimator.fresh_network(everything).double().eval()
    tensors = InteractionTensors(everything.take(np.arange(300)), settings, torch.device("cpu"))
    users, movies = tensors.users, tensors.movies
    sides = (
        (tensors.user_features[users], tensors.user_weights[users].double()),
        (tensors.movie_features[movies], tensors.movie_weights[movies].double()),
    )
    tensors.user_weights, tensors.movie_weights = tensors.user_weights.double(), tensors.movie_weights.double()
    own = network.user_embeddings(users), network.item_embeddings(movies)
    scores = network.score_pairs(network.encode_users(own[0], *sides[0]), network.encode_items(own[1], *sides[1]))
    shrunk = settings.decay * (own[0].square().sum() + own[1].square().sum())
    for side, (features, weights) in zip((network.users, network.items), sides, strict=True):
        if network.uses_features:
            squares = side.features(features).square().sum(2)
            shrunk = shrunk + settings.feature_decay * (squares * weights).sum()
    expected = gradients(network, scores.square().mean() + shrunk / len(users))
    gradients(network, tensors.scores(network, users, movies).square().mean())
    adam.shrink(network, tensors, users, movies, settings)
    found = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name])


def test_early_stopping_keeps_the_best_epoch(log_and_truth, parts) -> None:
    settings = quick("deepfm", method="adam", epochs=30, decay=0.0, feature_decay=0.0, learning_rate=0.05, patience=2)
    log = log_and_truth[0]
    estimator = fitted("deepfm", log, settings, parts[0], parts[1])
    losses = estimator.losses
    assert len(losses["train"]) == 1 + np.argmin(losses["validation"]) + 2 < 30
    ratings = log.ratings["rating"].to_numpy()
    loss = rmse(raw_scores(estimator, log, parts[1]), ratings[parts[1]]) ** 2
    assert loss == pytest.approx(min(losses["validation"]), rel=1e-3)


@pytest.mark.parametrize("patience", [1, 3])
def test_every_epoch_is_told_the_worse_ones_too(log_and_truth, parts, patience: int) -> None:
    settings = quick("mf", method="adam", epochs=30, decay=0.0, learning_rate=0.05, patience=patience)
    everything, told = encode(log_and_truth[0], False), []
    estimator = ESTIMATORS["mf"](settings, list_ranker=False)
    estimator.fit(everything.take(parts[0]), everything.take(parts[1]), lambda *losses: told.append(losses))
    validation = estimator.losses["validation"]
    assert len(validation) == 1 + np.argmin(validation) + patience < 30
    assert [loss for _, _, loss in told] == validation


def test_a_loss_that_is_not_finite_stops_the_run(log_and_truth, parts) -> None:
    with pytest.raises(DivergedError, match="learning-rate"):
        fitted("deepfm", log_and_truth[0], quick("deepfm", method="adam", learning_rate=1e18), parts[0])


def test_batches_grow_with_the_tables_and_not_with_those_that_stay_as_they_are(many_unrated) -> None:
    settings = quick("mf", batch_size=100)
    network = ESTIMATORS["mf"](settings).fresh_network(encode(many_unrated, False))
    assert adam._batch_size(network, settings) == (12_120 + 200 + 2) // adam.ENTITIES_A_ROW
    assert adam._batch_size(network, dataclasses.replace(settings, batch_size=1024)) == 1024
    network.requires_grad_(False)
    assert adam._batch_size(network, settings) == 100
