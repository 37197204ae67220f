"""A dataset's rows as tensors, and what networks are fitted to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from handlers.recommender.model.link import Link, Ordinal

from ..config import Settings
from ..dataset import Dataset
from ..models import TwoEncoder

ROWS_AT_A_TIME = 65_536

Loss = Callable[[Tensor, Tensor], Tensor]


class Batches:
    """A dataset's rows as tensors on a device, with targets and side features."""

    def __init__(self, dataset: Dataset, index: np.ndarray, settings: Settings, device: torch.device) -> None:
        self.users = torch.from_numpy(dataset.user_rows[index]).to(device)
        self.movies = torch.from_numpy(dataset.movie_rows[index]).to(device)
        self.targets = torch.from_numpy(targets_of(dataset.ratings[index], settings)).to(device)
        self.user_features = torch.from_numpy(dataset.users.features).to(device)
        self.user_weights = torch.from_numpy(dataset.users.weights).to(device)
        self.movie_features = torch.from_numpy(dataset.movies.features).to(device)
        self.movie_weights = torch.from_numpy(dataset.movies.weights).to(device)

    def __len__(self) -> int:
        return len(self.users)

    def encode(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of aligned user and movie rows: [B, D] each. Who is there more than once is encoded once."""
        users, user_of = _once(users, len(self.user_features))
        movies, movie_of = _once(movies, len(self.movie_features))
        of_users = network.encode_users(
            network.own_users(users),
            self.user_features.index_select(0, users),
            self.user_weights.index_select(0, users),
        )
        of_movies = network.encode_items(
            network.own_items(movies),
            self.movie_features.index_select(0, movies),
            self.movie_weights.index_select(0, movies),
        )
        return of_users.index_select(0, user_of), of_movies.index_select(0, movie_of)

    def scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """Unclipped scores of aligned rows: [B]."""
        return network.score_pairs(*self.encode(network, users, movies))

    def all_scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """``scores`` of any number of rows [n], a bounded number at a time: [n]."""
        at_a_time = zip(users.split(ROWS_AT_A_TIME), movies.split(ROWS_AT_A_TIME), strict=True)
        return torch.cat([self.scores(network, *some) for some in at_a_time])


def _once(rows: Tensor, there_are: int) -> tuple[Tensor, Tensor]:
    """Different rows, and the place among them of each of ``rows`` [n]: all ``there_are`` where a batch is longer."""
    if there_are <= len(rows):
        return torch.arange(there_are, device=rows.device), rows  # sorting takes longer
    return rows.unique(return_inverse=True)


def likes_of(ratings: np.ndarray, settings: Settings) -> np.ndarray:
    """1 for a like (a rating above the threshold, or a row without one), 0 for none. float32 [n]."""
    return np.where(np.isnan(ratings), 1.0, ratings > settings.like_above).astype(np.float32)


def targets_of(ratings: np.ndarray, settings: Settings) -> np.ndarray:
    """What a network is fitted to: the ratings, or the likes. float32 [n]."""
    return ratings if settings.target == "rating" else likes_of(ratings, settings)


def loss_of(settings: Settings, link: Link | None = None) -> Loss:
    """Mean squared error for ratings, binary cross-entropy of logits for likes, an ordinal link's misfit."""
    if isinstance(link, Ordinal):
        return lambda raw, ratings: link.negative_log_likelihood(raw, ratings) / len(ratings)
    return functional.mse_loss if settings.target == "rating" else functional.binary_cross_entropy_with_logits


def with_negatives(
    users: Tensor, movies: Tensor, targets: Tensor, dataset: Dataset, generator: torch.Generator, each: int = 4
) -> tuple[Tensor, Tensor, Tensor]:
    """A log of likes has no dislikes: add ``each`` movies drawn at random for every like, as such."""
    count = len(users) * each
    drawn = torch.randint(1, len(dataset.movies.vocabulary), (count,), generator=generator).to(movies.device)
    return (
        torch.cat([users, users.repeat(each)]),
        torch.cat([movies, drawn]),
        torch.cat([targets, targets.new_zeros(count)]),
    )
