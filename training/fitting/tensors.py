"""Interactions as tensors on the device of a network, and the network's scores of them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import Settings
from ..interactions import Interactions
from ..models import TwoEncoder
from .targets import targets_of

ROWS_AT_A_TIME = 65_536


class InteractionTensors:
    """All rows of some interactions as tensors on ``device``, with their targets and both sides' features.

    ``has_ratings``: False where every row is a like.

    ``users``, ``movies`` [n], of the rows' type; ``targets`` float32 [n]; ``user_features`` int64 [users, C] and
    ``user_weights`` float32 [users, C], and the same for the movies.
    """

    def __init__(self, interactions: Interactions, settings: Settings, device: torch.device) -> None:
        self.has_ratings = interactions.has_ratings
        self.users = torch.from_numpy(interactions.user_rows).to(device)
        self.movies = torch.from_numpy(interactions.movie_rows).to(device)
        self.targets = torch.from_numpy(targets_of(interactions.ratings, settings)).to(device)
        self.user_features = torch.from_numpy(interactions.users.features).to(device)
        self.user_weights = torch.from_numpy(interactions.users.weights).to(device)
        self.movie_features = torch.from_numpy(interactions.movies.features).to(device)
        self.movie_weights = torch.from_numpy(interactions.movies.weights).to(device)

    def __len__(self) -> int:
        return len(self.users)

    def encode(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of aligned user and movie rows: [B, D] each. A row that occurs several times is encoded once."""
        users, user_of = _distinct(users, len(self.user_features))
        movies, movie_of = _distinct(movies, len(self.movie_features))
        of_users = network.encode_users(
            network.user_embeddings(users),
            self.user_features.index_select(0, users),
            self.user_weights.index_select(0, users),
        )
        of_movies = network.encode_items(
            network.item_embeddings(movies),
            self.movie_features.index_select(0, movies),
            self.movie_weights.index_select(0, movies),
        )
        return of_users.index_select(0, user_of), of_movies.index_select(0, movie_of)

    def scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """Raw scores of aligned rows: [B]."""
        return network.score_pairs(*self.encode(network, users, movies))

    def all_scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """``scores`` of any number of rows [n], a bounded number at a time: [n]."""
        parts = zip(users.split(ROWS_AT_A_TIME), movies.split(ROWS_AT_A_TIME), strict=True)
        return torch.cat([self.scores(network, *part) for part in parts])


def _distinct(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Different rows, and the position among them of each of ``rows`` [n]; all ``count`` where a batch is longer."""
    if count <= len(rows):
        return torch.arange(count, device=rows.device), rows  # sorting takes longer
    return rows.unique(return_inverse=True)
