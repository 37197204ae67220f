"""Scores of a batch: who is in it twice is encoded once."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.training.fits import gradients
from training.config import preset
from training.estimators import ESTIMATORS
from training.fitting import tensors as module
from training.fitting.tensors import InteractionTensors
from training.interactions import encode


@pytest.mark.parametrize("count", [7, 5000])
@pytest.mark.parametrize("model", list(ESTIMATORS))
def test_whoever_is_in_a_batch_twice_is_encoded_as_ever(log_and_truth, model: str, count: int) -> None:
    settings = dataclasses.replace(preset("quick", model), method="adam")
    estimator = ESTIMATORS[model](settings)
    everything = encode(log_and_truth[0], estimator.uses_features)
    network = estimator.fresh_network(everything).eval()  # no dropout
    tensors = InteractionTensors(everything, settings, torch.device("cpu"))
    drawn = torch.randint(len(everything), (count,), generator=torch.Generator().manual_seed(0))
    users, movies = tensors.users[drawn], tensors.movies[drawn]
    plain = network.score_pairs(
        network.encode_users(network.user_embeddings(users), tensors.user_features[users], tensors.user_weights[users]),
        network.encode_items(
            network.item_embeddings(movies), tensors.movie_features[movies], tensors.movie_weights[movies]
        ),
    )
    found = tensors.scores(network, users, movies)
    torch.testing.assert_close(found, plain)
    ours, expected = (gradients(network, scores.square().mean()) for scores in (found, plain))
    assert ours.keys() == expected.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name])


@pytest.mark.parametrize("count", [0, 30, 5000])
@pytest.mark.parametrize("model", list(ESTIMATORS))
def test_many_rows_score_as_few_do(log_and_truth, model: str, count: int, monkeypatch) -> None:
    """For 30 rows there are more users and movies than rows."""
    estimator = ESTIMATORS[model]()
    everything = encode(log_and_truth[0], estimator.uses_features)
    network = estimator.fresh_network(everything).eval()
    tensors = InteractionTensors(everything, estimator.settings, torch.device("cpu"))
    users, movies = tensors.users[:count], tensors.movies[:count]
    with torch.no_grad():
        expected = tensors.scores(network, users, movies)
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 7)
    torch.testing.assert_close(tensors.all_scores(network, users, movies), expected)
