"""The embeddings of unknown ids, and of ids without a rating."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from handlers.recommender.model.foldin import Prior, solve
from handlers.recommender.model.link import Link, Logistic

from ..config import Settings
from ..interactions import Interactions, SideData
from ..models import Side, TwoEncoder
from .targets import with_negatives
from .tensors import InteractionTensors

ROW_ZERO_SAMPLE = 20_000  # ratings that the unknown user (movie) is fitted to


def fit_unknown_rows(
    network: TwoEncoder, link: Link, train: Interactions, settings: Settings, copy_to_unrated: bool
) -> None:
    """Fit id row 0 of both sides, with the rest of the network as it is.

    It is fitted to ratings as if each had come from an unknown user (movie), half of them without side features.
    ``copy_to_unrated``: give ids without any rating a copy of row 0, and values of side features without any the mean
    of their field. Gradient descent leaves these as they were initialised. Gibbs sampling has drawn such ids from its
    prior, and has its features filled in already.
    """
    tensors = InteractionTensors(train, settings, network.mean.device)
    for side, data, rows in (
        (network.users, train.users, tensors.users),
        (network.items, train.movies, tensors.movies),
    ):
        if copy_to_unrated:
            fill_unseen_features(side, data, rows.cpu().numpy())
        row_zero = _row_zero(network, link, side, tensors, train, settings)
        with torch.no_grad():
            side.embeddings.weight[0] = row_zero
            if copy_to_unrated:
                untouched = torch.ones(len(data.vocabulary), dtype=torch.bool, device=rows.device)
                untouched[rows] = False
                side.embeddings.weight[untouched] = row_zero


@torch.no_grad()
def fill_unseen_features(side: Side, data: SideData, rows: np.ndarray) -> None:
    """Give each feature value that no entity of ``rows`` [n] has the mean of its field's other values.

    A field's missing value, which most files never show, is one of them.
    """
    rated = torch.from_numpy(np.bincount(rows, minlength=len(data.features))).unsqueeze(1)
    features, weights = torch.from_numpy(data.features), torch.from_numpy(data.weights) * rated
    counts = torch.zeros(data.schema.size).index_add_(0, features.flatten(), weights.flatten())
    counts = counts.to(side.features.weight.device)
    for field in data.schema.fields:
        values = slice(field.offset, field.offset + field.size)
        table, count = side.features.weight[values], counts[values]
        table[count == 0] = (table * count.unsqueeze(1)).sum(0) / count.sum()


def _row_zero(
    network: TwoEncoder, link: Link, side: Side, tensors: InteractionTensors, train: Interactions, settings: Settings
) -> Tensor:
    """The embedding [n_factors + 1] of an unknown user (movie), with the rest of the network as it is."""
    generator = torch.Generator().manual_seed(0)
    sample = torch.randperm(len(tensors), generator=generator)[:ROW_ZERO_SAMPLE].to(tensors.users.device)
    users, movies, targets = tensors.users[sample], tensors.movies[sample], tensors.targets[sample]
    if not train.has_ratings:
        users, movies, targets = with_negatives(users, movies, targets, train.shape[1], generator)
    with_features = (torch.rand(len(users), generator=generator) < 0.5).to(users.device)
    with torch.no_grad():
        known_users, known_movies = tensors.encode(network, users, movies)

    def score(embeddings: Tensor) -> Tensor:
        if side is network.users:
            rows = users * with_features  # row 0 has every side feature missing
            encoded = network.encode_users(embeddings, tensors.user_features[rows], tensors.user_weights[rows])
            return network.score_pairs(encoded, known_movies)
        rows = movies * with_features
        encoded = network.encode_items(embeddings, tensors.movie_features[rows], tensors.movie_weights[rows])
        return network.score_pairs(known_users, encoded)

    size = side.n_factors + 1
    weak_prior = Prior(torch.zeros(size).to(users.device), torch.eye(size).to(users.device))
    return solve(score, weak_prior, targets, Logistic(0.5) if settings.target == "like" else link).embedding
