"""Similar movies: those that the same people rate, and where hardly anybody has rated, those with similar features.

Of a movie with one or two ratings the other movies of these people say little, and so few people would make all lists
of such movies alike: those of what is popular. So the cosine of the features' vectors counts too, the less the more
ratings the movie has. On MovieLens 100K lists then hold three quarters of the catalogue instead of a quarter
(docs/design.md).
"""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from .query import NOBODY, MovieQuery, RankedList, Selection

if TYPE_CHECKING:
    from .model import Model

FEATURES = 0.1  # what the features' cosine counts without ratings; with n of them, this divided by (1 + n)^2
FEW = 30  # ratings; with more the features would count less than 0.0001
ROWS_AT_A_TIME = 1 << 16  # whose features are encoded together


class Similarity:
    """Finds the movies most like one of the catalogue, or like a new one with given features."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        counts = model.catalogue.counts
        shrunk = counts / (counts + model.metadata.similarity_shrinkage)
        self._trust = torch.from_numpy(shrunk).float().to(model.device)  # [movies]

    def nearest(self, movie: MovieQuery, selection: Selection) -> RankedList:
        """The most similar movies, best first, without the movie itself.

        Scores are cosines; cosines after ``popularity_damping`` order the list.
        """
        scores = self._of_features(movie) if movie.features else self._of_row(movie.row)
        excluded = self._model.catalogue.excluded(selection, [movie.row])
        (rows,), _ = self._model.lists.make(scores.unsqueeze(0).clone(), [excluded], [selection], [NOBODY])
        listed = scores[torch.from_numpy(rows).to(self._model.device)]
        return RankedList(rows, listed.cpu().numpy().astype(np.float64).round(6))

    def _of_row(self, row: int) -> Tensor:
        """How similar each movie is to one of the catalogue: [movies]."""
        ranker, directions = self._model.ranker, self._model.arrays["item_directions"]
        ratings, has_features = int(self._model.catalogue.counts[row]), bool(self._model.metadata.movie_features.fields)
        if ranker is not None and ranker.item_similarity[row].any():
            cosines = ranker.item_similarity @ ranker.item_similarity[row]
            if has_features and ratings < FEW:
                _, of_features = self._by_features
                cosines += FEATURES / (1 + ratings) ** 2 * (of_features @ of_features[row])
            return cosines
        if has_features and not ratings:
            directions = self._by_features[1]
        return (directions @ directions[row]) * self._trust

    def _of_features(self, movie: MovieQuery) -> Tensor:
        """The cosine of each movie with one of which only features are known: [movies]."""
        vector = self._model.encode_movies([movie])[0, : self._model.metadata.width]
        centre, directions = self._by_features
        return (directions @ normalize(vector - centre, dim=0)) * self._trust

    @cached_property
    def _by_features(self) -> tuple[Tensor, Tensor]:
        """The average movie [width], and each movie's direction from it [movies, width], both by features alone.

        Without centring, all cosines would be near 1, and a described comedy would be similar to every description.
        """
        model = self._model
        unknown = model.network.item_embeddings(torch.zeros(1, dtype=torch.int64, device=model.device))
        vectors = torch.empty(len(self._trust), model.metadata.width, device=model.device)
        tables = model.arrays["movie_features"], model.arrays["movie_weights"]
        for start in range(0, len(vectors), ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            features, weights = (table[rows].to(model.device) for table in tables)
            encodings = model.network.encode_items(unknown.expand(len(features), -1), features, weights)
            vectors[rows] = encodings[:, : model.metadata.width]
        centre = self._trust @ vectors / self._trust.sum()
        return centre, normalize(vectors.sub_(centre), dim=1, out=vectors)
