"""Interactions as tensors on the device of a network, and the network's scores of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..config import Settings
from ..interactions import Interactions
from ..models import TwoEncoder
from ..samplers.workers import each
from .targets import targets_of

ROWS_AT_A_TIME = 16_384  # so that their encodings stay in cache


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

    def encode_users(self, network: TwoEncoder, rows: Tensor) -> Tensor:
        """Encodings of user rows: [B, D]."""
        features, weights = self.user_features.index_select(0, rows), self.user_weights.index_select(0, rows)
        return network.encode_users(network.user_embeddings(rows), features, weights)

    def encode_movies(self, network: TwoEncoder, rows: Tensor) -> Tensor:
        """Encodings of movie rows: [B, D]."""
        features, weights = self.movie_features.index_select(0, rows), self.movie_weights.index_select(0, rows)
        return network.encode_items(network.item_embeddings(rows), features, weights)

    def encode(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of aligned user and movie rows: [B, D] each. A row that occurs several times is encoded once."""
        users, user_of = _distinct(users, len(self.user_features))
        movies, movie_of = _distinct(movies, len(self.movie_features))
        of_users, of_movies = self.encode_users(network, users), self.encode_movies(network, movies)
        return of_users.index_select(0, user_of), of_movies.index_select(0, movie_of)

    def scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """Raw scores of aligned rows: [B]."""
        return network.score_pairs(*self.encode(network, users, movies))

    @torch.no_grad()
    def all_scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """``scores`` of any number of rows [n], a bounded number at a time, without gradients: float32 [n]."""
        users, user_of = _distinct(users, len(self.user_features))
        movies, movie_of = _distinct(movies, len(self.movie_features))
        of_users = _by_parts(lambda rows: self.encode_users(network, rows), users)
        of_movies = _by_parts(lambda rows: self.encode_movies(network, rows), movies)

        def score(user_of: Tensor, movie_of: Tensor) -> Tensor:
            return network.score_pairs(of_users.index_select(0, user_of), of_movies.index_select(0, movie_of))

        return _by_parts(score, user_of, movie_of)


def _by_parts(compute: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    """What ``compute`` gives for aligned rows [n], a part at a time, in threads: [n, ...].

    Into one tensor: results that are kept apart until the end would lie between what each part needs and frees.
    """
    found = compute(*(column[:ROWS_AT_A_TIME] for column in rows))
    if len(rows[0]) <= ROWS_AT_A_TIME:
        return found
    found = found.new_empty(len(rows[0]), *found.shape[1:])

    def write(start: int) -> None:
        part = slice(start, start + ROWS_AT_A_TIME)
        found[part] = compute(*(column[part] for column in rows))

    threads = torch.get_num_threads() if found.device.type == "cpu" else 1
    each(write, range(0, len(found), ROWS_AT_A_TIME), threads)
    return found


def _distinct(rows: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Different rows, and the position among them of each of ``rows`` [n]; all ``count`` where a batch is longer."""
    if count <= len(rows):
        return torch.arange(count, device=rows.device), rows  # sorting takes longer
    return rows.unique(return_inverse=True)
