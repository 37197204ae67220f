"""What the sampler knows of all ratings, in whichever process, and the views of those that a process holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from scipy import sparse
from torch import Tensor

from ..config import Settings
from ..interactions import Interactions, feature_matrix
from .shares import Ratings, Shares
from .view import View


class Likelihood(Protocol):
    """What a rating says of its score; the ``value_type`` of what is kept of a rating."""

    value_type: ClassVar[torch.dtype]

    def take_values(self) -> Tensor:
        """What a view is to hold of the ratings [n], once: what is left is small, and the same for all processes."""


@dataclass(frozen=True)
class Known:
    """What is the same in every process.

    ``likelihood``: what a rating says of its score; ``counts`` int64 [users] and [movies]: ratings of each;
    ``features`` float32 [users, feature-table rows], and of the movies: side features; None where ids alone inform the
    embeddings.
    """

    likelihood: Likelihood
    counts: tuple[Tensor, Tensor]
    features: tuple[sparse.csr_array, sparse.csr_array] | None
    settings: Settings
    seed: int

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        likelihood: Likelihood,
        settings: Settings,
        seed: int,
        use_features: bool,
        device: torch.device | str,
    ) -> tuple[Known, Ratings]:
        """Of all ratings, and these themselves, on ``device``; ``likelihood``: of these."""
        users, movies = (
            torch.from_numpy(rows).to(device, torch.int32) for rows in (interactions.user_rows, interactions.movie_rows)
        )
        of_users, of_movies = interactions.shape
        counts = torch.bincount(users, minlength=of_users), torch.bincount(movies, minlength=of_movies)
        sides = interactions.users, interactions.movies
        features = tuple(feature_matrix(side) for side in sides) if use_features else None
        held = Ratings(users, movies, likelihood.take_values())
        return cls(likelihood, counts, features, settings, seed), held

    def shares(self) -> tuple[Shares, Shares]:
        """Which users and which movies each process draws."""
        users, movies = self.counts
        return Shares(users), Shares(movies)

    def views(self, ratings: Ratings, users: Shares, movies: Shares, n_factors: int) -> tuple[View, View]:
        """The views of both sides; ``ratings``: at least those of this process; ``n_factors``: of a factorization."""
        size = n_factors + 2
        return (
            View(ratings.users, ratings.movies, ratings.values, users, len(movies.counts), size),
            View(ratings.movies, ratings.users, ratings.values, movies, len(users.counts), size),
        )
