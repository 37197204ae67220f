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
class RankHead:
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
        shares = np.where(np.isfinite(ratings), self.weight[0] + self.weight[1] * ratings, 1.0).astype(np.float32)
        offsets = torch.from_numpy(np.cumsum(counts) - counts).to(device)
        rated = embedding_bag(
            torch.from_numpy(rows).to(device),
            self.inputs,
            offsets,
            mode="sum",
            per_sample_weights=torch.from_numpy(shares).to(device),
        )
        known = self.people[0] + (self.people[1:][features] * weights.unsqueeze(2)).sum(dim=1)
        return rated + known / torch.from_numpy(1 + counts).to(device, torch.float32).unsqueeze(1)

    def score_all(self, users: Tensor) -> Tensor:
        """What orders the lists: encodings [B, D] to [B, movies]."""
        return users @ self.items.t()
