"""Scores of a DeepFM whose embeddings stay as they are while its perceptron is fitted."""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from ..config import Settings
from ..interactions import Interactions
from ..models import DeepFM
from .tensors import InteractionTensors


class FrozenParts(NamedTuple):
    """What no step changes, computed once an entity and not once a batch: for users, and for movies.

    ``machine``: the factorization machine's part of the encodings, [rows, n_factors + 2]; ``fields``: what the
    perceptron's first layer takes, one vector a field, [rows, (1 + fields) * n_factors].
    """

    machine: tuple[Tensor, Tensor]
    fields: tuple[Tensor, Tensor]

    @classmethod
    @torch.no_grad()
    def of(cls, network: DeepFM, interactions: Interactions) -> Self:
        """Those of a network, for the two sides of some interactions."""
        users, movies = network.users.embeddings.weight, network.items.embeddings.weight
        of_users, of_movies = (
            (torch.from_numpy(side.features).to(users.device), torch.from_numpy(side.weights).to(users.device))
            for side in (interactions.users, interactions.movies)
        )
        return cls(
            machine=(network.fm_of_users(users, *of_users), network.fm_of_items(movies, *of_movies)),
            fields=(network.users.fields(users, *of_users), network.items.fields(movies, *of_movies)),
        )


class FrozenEmbeddings(InteractionTensors):
    """Interactions as tensors, scored by ``parts`` of the same sides."""

    def __init__(
        self, parts: FrozenParts, interactions: Interactions, settings: Settings, device: torch.device
    ) -> None:
        super().__init__(interactions, settings, device)
        self.machine, self.fields = parts

    def encode_users(self, network: DeepFM, rows: Tensor) -> Tensor:
        """Encodings of user rows: [B, D]."""
        return self._encode(0, network.first_users, rows)

    def encode_movies(self, network: DeepFM, rows: Tensor) -> Tensor:
        """Encodings of movie rows: [B, D]."""
        return self._encode(1, network.first_items, rows)

    def encode(self, network: DeepFM, users: Tensor, movies: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of aligned user and movie rows: [B, D] each, of all rows, as a row costs little."""
        return self.encode_users(network, users), self.encode_movies(network, movies)

    def _encode(self, side: int, first: nn.Linear, rows: Tensor) -> Tensor:
        machine, fields = self.machine[side], self.fields[side]
        return torch.cat([machine.index_select(0, rows), first(fields.index_select(0, rows))], dim=1)
