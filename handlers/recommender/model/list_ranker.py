"""The list ranker: a low-rank EASE model that orders lists, and the similarity of movies. Its encoders add table rows.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019: a movie's number is the sum, over the movies that a
user has rated, of an item-item weight. Here the weights have low rank, ``inputs @ items.T``. A user's vector is
``sum of weight(rating) * inputs[movie]`` plus ``cold_start / (1 + number of ratings / strength)``: what is true of
everybody, and of users with the same side features, which counts less the more a user has rated. The vector depends on
nothing else, so a new user with the same ratings gets the same vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

# Movie rows [n] and ratings [n], not finite for a like; of a log whose likes have weights these, in place of ratings.
History = tuple[np.ndarray, np.ndarray]


def with_fresh(stored: History, ratings: Mapping[int, float]) -> History:
    """A stored history and fresh ratings by movie row, which replace stored ones."""
    if not ratings:
        return stored
    fresh = np.array(list(ratings), dtype=np.int64), np.array(list(ratings.values()))
    kept = ~np.isin(stored[0], fresh[0])
    return tuple(np.concatenate([old[kept], new]) for old, new in zip(stored, fresh, strict=True))


@dataclass(frozen=True)
class ListRanker:
    """The tables of the ranker, all with D columns.

    ``inputs``, ``items`` float32 [movies, D]. ``cold_start`` float32 [1 + user feature values, D]; the first row is
    everybody's. ``item_similarity`` float32 [movies, D]: the product of two movies' rows is the cosine of their raters,
    shrunk for movies with few ratings; zero for a movie that nobody has rated.
    ``weight``: a rating r weighs ``weight[0] + weight[1] * r`` in a history, a like weighs 1. ``strength``: how many
    ratings halve what ``cold_start`` counts.
    """

    inputs: Tensor
    items: Tensor
    cold_start: Tensor
    item_similarity: Tensor
    weight: tuple[float, float]
    strength: float = 1.0

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """All tables, in the order of the fields."""
        return self.inputs, self.items, self.cold_start, self.item_similarity

    def encode_users(self, histories: Sequence[History], features: Tensor, weights: Tensor) -> Tensor:
        """[B, D] from B histories, side features int64 [B, C] and their weights float32 [B, C]."""
        device = self.inputs.device
        counts = np.array([len(rows) for rows, _ in histories])
        rows = np.concatenate([rows for rows, _ in histories], dtype=np.int64)
        ratings = np.concatenate([ratings for _, ratings in histories])
        offsets = torch.from_numpy(np.cumsum(counts) - counts).to(device)
        rated = embedding_bag(
            torch.from_numpy(rows).to(device),
            self.inputs,
            offsets,
            mode="sum",
            per_sample_weights=self._weighed(ratings),
        )
        known = self.cold_start[:1]
        if features.size(1):
            known = known + (self.cold_start[1:][features] * weights.unsqueeze(2)).sum(dim=1)
        shrunk = torch.from_numpy((1 + counts / self.strength).astype(np.float32)[:, None])
        return rated + known / shrunk.to(device)

    def score_all(self, users: Tensor) -> Tensor:
        """The numbers that order lists: user vectors [B, D] to [B, movies]."""
        return users @ self.items.t()

    def shares(
        self, history: History, features: Tensor, weights: Tensor, rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The shares of one user's numbers of the movies ``rows`` [k]; side features [C] with weights [C].

        Shares of each rated movie [k, n], of what is true of everybody [k], and of each feature column [k, C].
        """
        rated, ratings = history
        items = self.items[rows]  # [k, D]
        by_movie = (items @ self.inputs[torch.from_numpy(rated).to(items.device)].t()) * self._weighed(ratings)
        known = torch.cat([self.cold_start[:1], self.cold_start[1:][features] * weights.unsqueeze(1)])  # [1 + C, D]
        by_known = items @ known.t() / (1 + len(rated) / self.strength)
        return by_movie, by_known[:, 0], by_known[:, 1:]

    def _weighed(self, ratings: np.ndarray) -> Tensor:
        weights = np.ones(len(ratings), np.float32)
        rated = np.isfinite(ratings)
        weights[rated] = self.weight[0] + self.weight[1] * ratings[rated]
        return torch.from_numpy(weights).to(self.inputs.device)
