"""The second head: what a list is ordered by, and which movies are alike. Its encoders are sums of rows of tables.

A person is what they have rated, ``sum of weight(rating) * inputs[movie]``, and, the less of that there is, what is
true of everybody or of people with their side features: ``people / (1 + number of ratings)``. The catalogue is
``items``. So somebody who comes with ratings in the request is encoded as a user of the log with the same ratings is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

History = tuple[np.ndarray, np.ndarray]  # movie rows [n] and ratings [n]; not finite for a like


@dataclass(frozen=True)
class ListRanker:
    """``inputs``, ``items`` float32 [movies, D]; ``people`` float32 [1 + user feature values, D], everybody first.

    ``alike`` float32 [movies, D]: the product of two movies' rows is a cosine of who rates them, shrunk for the rarely
    rated; zero for a movie that nobody has rated.
    ``weight``: a rating r weighs ``weight[0] + weight[1] * r`` in a history, a like 1.
    """

    inputs: Tensor
    items: Tensor
    people: Tensor
    alike: Tensor
    weight: tuple[float, float]

    def encode_users(self, histories: Sequence[History], features: Tensor, weights: Tensor) -> Tensor:
        """[B, D] from B histories, side features int64 [B, C] and their weights float32 [B, C]."""
        device = self.inputs.device
        counts = np.array([len(rows) for rows, _ in histories])
        rows = np.concatenate([rows for rows, _ in histories]).astype(np.int64)
        ratings = np.concatenate([ratings for _, ratings in histories])
        offsets = torch.from_numpy(np.cumsum(counts) - counts).to(device)
        rated = embedding_bag(
            torch.from_numpy(rows).to(device),
            self.inputs,
            offsets,
            mode="sum",
            per_sample_weights=self._weighed(ratings),
        )
        known = self.people[0] + (self.people[1:][features] * weights.unsqueeze(2)).sum(dim=1)
        return rated + known / torch.from_numpy(1 + counts).to(device, torch.float32).unsqueeze(1)

    def score_all(self, users: Tensor) -> Tensor:
        """What orders the lists: encodings [B, D] to [B, movies]."""
        return users @ self.items.t()

    def shares(
        self, history: History, features: Tensor, weights: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What adds up to one person's numbers of the movies ``rows`` [k], with side features [C] and weights [C].

        The shares of each rated movie [k, n], of what is true of everybody [k], and of each feature's column [k, C].
        """
        rated, ratings = history
        items = self.items[rows]  # [k, D]
        by_movie = (items @ self.inputs[torch.from_numpy(rated).to(items.device)].t()) * self._weighed(ratings)
        known = torch.cat([self.people[:1], self.people[1:][features] * weights.unsqueeze(1)])  # [1 + C, D]
        by_known = items @ known.t() / (1 + len(rated))
        return by_movie, by_known[:, 0], by_known[:, 1:]

    def _weighed(self, ratings: np.ndarray) -> Tensor:
        weights = np.ones(len(ratings), np.float32)
        rated = np.isfinite(ratings)
        weights[rated] = self.weight[0] + self.weight[1] * ratings[rated]
        return torch.from_numpy(weights).to(self.inputs.device)
