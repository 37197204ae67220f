"""Networks with random parameters, and inputs for them."""

from __future__ import annotations

import itertools

import torch

from training.estimators import ESTIMATORS
from training.models import Side, TwoEncoder

NETWORKS = {name: estimator.network_type for name, estimator in ESTIMATORS.items()}
USERS, MOVIES, FACTORS = 12, 15, 6
# The feature values and columns of each side's fields.
USER_FIELDS, MOVIE_FIELDS = ((4, 1), (3, 1)), ((6, 3), (3, 1))


def make(name: str, **settings) -> TwoEncoder:
    torch.manual_seed(3)
    users = Side(USERS, [values for values, _ in USER_FIELDS], FACTORS)
    items = Side(MOVIES, [values for values, _ in MOVIE_FIELDS], FACTORS)
    network = NETWORKS[name](users, items, 0.7, **settings).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.5)
    return network


def inputs(count: int, rows: int, fields: tuple[tuple[int, int], ...]) -> tuple[torch.Tensor, ...]:
    """Rows, and features and weights: of each field as many different values as it has columns."""
    generator = torch.Generator().manual_seed(count + rows)
    features, start = [], 0
    for values, columns in fields:
        drawn = [torch.randperm(values, generator=generator)[:columns] for _ in range(count)]
        features.append(start + torch.stack(drawn))
        start += values
    indices = torch.cat(features, dim=1)
    weights = torch.rand(indices.shape, generator=generator)
    return torch.randint(0, rows, (count,), generator=generator), indices, weights


def users_of(network, count: int = 5) -> torch.Tensor:
    rows, features, weights = inputs(count, USERS, USER_FIELDS)
    return network.encode_users(network.user_embeddings(rows), features, weights)


def items_of(network, count: int = MOVIES) -> torch.Tensor:
    rows, features, weights = inputs(count, MOVIES, MOVIE_FIELDS)
    return network.encode_items(network.item_embeddings(rows), features, weights)


def active_of(network, side: Side, row: int, features: torch.Tensor, weights: torch.Tensor) -> list:
    rows = [side.embeddings.weight[row]] + [
        side.features.weight[feature] * weight for feature, weight in zip(features, weights, strict=True)
    ]
    return [(embedding[:FACTORS], embedding[FACTORS]) for embedding in rows]


def naive_fm(active: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Linear terms plus every pair once: Rendle's equation 1, written as it stands."""
    linear = sum(weight for _, weight in active)
    return linear + sum(torch.dot(first, second) for (first, _), (second, _) in itertools.combinations(active, 2))
