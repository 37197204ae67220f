"""The rows of ids that nobody has rated, or that nobody knows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from handlers.recommender.model.foldin import Prior, solve
from handlers.recommender.model.link import Link, Logistic

from ..config import Settings
from ..dataset import Dataset, SideData
from ..models import Side, TwoEncoder
from .batches import Batches, with_negatives

ROW_ZERO_SAMPLE = 20_000  # ratings that the unknown user (movie) is fitted to


def settle_unknown(
    network: TwoEncoder, link: Link, dataset: Dataset, batches: Batches, settings: Settings, only_initialised: bool
) -> None:
    """Give every embedding that no rating has touched a value that predicts as well as one without it can.

    Id row 0 is fitted to ratings as if each had come from an unknown user (movie), half of them without side features.
    After gradient descent what no rating has touched is ``only_initialised``: ids get a copy of row 0, values of side
    features the mean of their field. Gibbs sampling has drawn such ids from its prior, and settles its features itself.
    """
    for side, data, rows in (
        (network.users, dataset.users, batches.users),
        (network.items, dataset.movies, batches.movies),
    ):
        if only_initialised:
            settle_features(side, data, rows.cpu().numpy())
        row_zero = _row_zero(network, link, side, batches, dataset, settings)
        with torch.no_grad():
            side.own.weight[0] = row_zero
            if only_initialised:
                untouched = torch.ones(len(data.vocabulary), dtype=torch.bool, device=rows.device)
                untouched[rows] = False
                side.own.weight[untouched] = row_zero


@torch.no_grad()
def settle_features(side: Side, data: SideData, rows: np.ndarray) -> None:
    """Give each feature value that no entity of ``rows`` [n] has the mean of its field's other values.

    A field's missing value, which most files never show, is one of them.
    """
    counts = torch.zeros(data.schema.size)
    features, weights = torch.from_numpy(data.features[rows]), torch.from_numpy(data.weights[rows])
    counts.index_add_(0, features.flatten(), weights.flatten())
    counts = counts.to(side.features.weight.device)
    for part in data.schema.fields:
        here = slice(part.offset, part.offset + part.size)
        table, count = side.features.weight[here], counts[here]
        table[count == 0] = (table * count.unsqueeze(1)).sum(0) / count.sum()


def _row_zero(
    network: TwoEncoder, link: Link, side: Side, batches: Batches, dataset: Dataset, settings: Settings
) -> Tensor:
    """The embedding [width + 1] of an unknown user (movie), with the rest of the network as it is."""
    generator = torch.Generator().manual_seed(0)
    sample = torch.randperm(len(batches), generator=generator)[:ROW_ZERO_SAMPLE].to(batches.users.device)
    users, movies, targets = batches.users[sample], batches.movies[sample], batches.targets[sample]
    if not dataset.has_ratings:
        users, movies, targets = with_negatives(users, movies, targets, dataset, generator)
    described = (torch.rand(len(users), generator=generator) < 0.5).to(users.device)
    with torch.no_grad():
        known_users, known_movies = batches.encode(network, users, movies)

    def score(own: Tensor) -> Tensor:
        if side is network.users:
            rows = users * described  # row 0 has every side feature missing
            encoded = network.encode_users(own, batches.user_features[rows], batches.user_weights[rows])
            return network.score_pairs(encoded, known_movies)
        rows = movies * described
        encoded = network.encode_items(own, batches.movie_features[rows], batches.movie_weights[rows])
        return network.score_pairs(known_users, encoded)

    size = side.width + 1
    weak = Prior(torch.zeros(size).to(users.device), torch.eye(size).to(users.device))
    return solve(score, weak, targets, Logistic(0.5) if settings.target == "like" else link).embedding
