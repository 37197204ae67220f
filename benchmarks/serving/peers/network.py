"""The same network and dictionaries for every peer, and two ways to a score."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from handlers.recommender.fast import kernel
from handlers.recommender.model.embeddings import embeddings_of
from handlers.recommender.model.model import Model

torch.set_num_threads(1)


class Network:
    """The build folder named by ``$BUILD``. Rows by dictionary look-up, one forward pass of torch a call.

    This is what people write: the network encodes the users at each call.
    """

    def __init__(self) -> None:
        self.model = model = Model.load(Path(os.environ["BUILD"]), torch.device("cpu"))
        encodings = model.arrays["user_encodings"]
        features = model.features_of(torch.arange(len(encodings)))
        with torch.no_grad():
            self.embeddings = embeddings_of(model.network.encode_users, encodings, *features, model.metadata.width)

    @torch.no_grad()
    def scores(self, users: Sequence[int], movies: Sequence[int]) -> list[float]:
        """On the scale of the target."""
        model = self.model
        rows, movie_rows = map(torch.from_numpy, self._rows(users, movies))
        features, weights = model.features_of(rows)
        encoded = model.network.encode_users(self.embeddings[rows], features, weights)
        items = model.arrays["item_encodings"].index_select(0, movie_rows)
        return model.inverse_link(model.network.score_pairs(encoded, items)).tolist()

    def _rows(self, users: Sequence[int], movies: Sequence[int]) -> np.ndarray:
        """int64 [2, pairs], 0 for an id that is not known."""
        model = self.model
        sides = (model.users, users), (model.movies, movies)
        return np.array([side.to_rows(asked) for side, asked in sides])


class Kernel(Network):
    """The same scores from ours: users encoded at export, the network's arithmetic in numpy.

    What is left between such a peer and ours is the server.
    """

    def __init__(self) -> None:
        super().__init__()
        model = self.model
        self.kernel = kernel.matching(model.network, model.arrays["user_encodings"], model.arrays["item_encodings"])
        if self.kernel is None:
            raise RuntimeError(f"no kernel fits the network in {os.environ['BUILD']}")
        self.inverse_link = kernel.inverse_link_of(model.link)

    def scores(self, users: Sequence[int], movies: Sequence[int]) -> list[float]:
        """On the scale of the target."""
        return self.inverse_link(self.kernel.score_rows(self._rows(users, movies))).tolist()


SCORERS = {"network": Network, "kernel": Kernel}


def scorer() -> Network:
    """The way that ``$SCORER`` names."""
    return SCORERS[os.environ["SCORER"]]()
