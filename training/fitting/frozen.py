"""Scores of a DeepFM whose embeddings stay as they are while its perceptron is fitted."""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import Settings
from ..interactions import Interactions
from ..models import DeepFM
from .tensors import InteractionTensors


class FrozenEmbeddings(InteractionTensors):
    """Interactions as tensors, and all that no step changes: it is computed once an entity, not once a batch.

    ``machine``: for users and for movies the factorization machine's part of the encodings, [rows, n_factors + 2];
    ``fields``: what the perceptron's first layer takes, one vector a field, [rows, (1 + fields) * n_factors].
    """

    @torch.no_grad()
    def __init__(self, network: DeepFM, interactions: Interactions, settings: Settings, device: torch.device) -> None:
        super().__init__(interactions, settings, device)
        of_users, of_movies = (self.user_features, self.user_weights), (self.movie_features, self.movie_weights)
        users, movies = network.users.embeddings.weight, network.items.embeddings.weight
        self.machine = network.fm_of_users(users, *of_users), network.fm_of_items(movies, *of_movies)
        self.fields = network.users.fields(users, *of_users), network.items.fields(movies, *of_movies)

    def encode(self, network: DeepFM, users: Tensor, movies: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of aligned user and movie rows: [B, D] each."""
        of_users, of_movies = (
            torch.cat([machine.index_select(0, rows), first(fields.index_select(0, rows))], dim=1)
            for machine, fields, first, rows in zip(
                self.machine, self.fields, (network.first_users, network.first_items), (users, movies), strict=True
            )
        )
        return of_users, of_movies
