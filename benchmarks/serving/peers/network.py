"""The same network and dictionaries for every peer: rows by dictionary look-up, one forward pass a call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from handlers.recommender import archive

torch.set_num_threads(1)


class Network:
    """The build folder named by ``$BUILD``."""

    def __init__(self) -> None:
        self.archive = archive.load(Path(os.environ["BUILD"]), torch.device("cpu"))

    @torch.no_grad()
    def scores(self, users: Sequence[int], movies: Sequence[int]) -> list[float]:
        """On the scale of the target."""
        known = self.archive
        rows = torch.tensor([known.users.rows.get(user, 0) for user in users])
        features, weights = known.features_of(rows)
        encoded = known.network.encode_users(known.network.own_users(rows), features, weights)
        movie_rows = torch.tensor([known.movies.rows.get(movie, 0) for movie in movies])
        items = known.arrays["item_encodings"].index_select(0, movie_rows)
        return known.on_scale(known.network.score_pairs(encoded, items)).tolist()
