"""Why a movie is in a list, and why it has its score: the ratings and side features that moved either number.

The number that orders a list is a sum (list_ranker.py), so its shares are exact: one for each rating, one for what is
true of everybody, one for each side feature. Where a model has no list ranker, the score is that number.

The personal part of the unclipped score is its difference from the score of an unknown user. Near a user's solution
the score is linear in their embedding, so the share of rating j in movie i is ``J_i A^-1 g_j``: the contribution
g_j of the rating to the right-hand side, the posterior precision A, and the derivative J_i of the movie's score. For
MF that is exactly ridge regression's ``q_i' A^-1 q_j residual_j``. A side feature's share is what the score loses
without the feature. The rest is the remainder: interactions, histories, the drift of a timestamp, what a user's trained
embedding knows beyond a fold-in of the same ratings, and for DeepFM the curvature of the perceptron.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from .foldin import scorer, with_derivatives
from .query import Explanation, Share, UserQuery

if TYPE_CHECKING:
    from .model import Model

MAX_MOVIES = 5  # rated movies that are named for each entry; the shares of the others are in the remainder


@dataclass(frozen=True)
class Person:
    """Whose list it is: ratings by movie row, side features and weights [C], the columns of those that are known."""

    ratings: dict[int, float]
    features: Tensor
    weights: Tensor
    known: dict[str, slice]


class Explainer:
    """Explains lists made from one model."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        row = torch.zeros(1, dtype=torch.int64)
        missing, weights = (part.to(model.device) for part in model.features_of(row))
        self._missing, self._weights = missing[0], weights[0]  # [C]: nothing known
        network = model.network
        self._unknown_user = network.encode_users(
            network.user_embeddings(row.to(model.device)), missing, weights
        )  # [1, D]

    def explain(
        self, user: UserQuery, rows: Tensor, raw: Tensor, order: Tensor | None
    ) -> tuple[list[Explanation], list[Explanation] | None]:
        """Explanations of a list's entries, the movies ``rows`` [k]: of their scores, and of their order.

        ``raw`` [k]: their unclipped scores. ``order`` [k]: the numbers that order the list, None where these are the
        scores.
        """
        person = self._person(user)
        of_score = list(self._of_score(person, rows, raw))
        if order is None:
            return of_score, None
        weights = dict(zip(*(part.tolist() for part in self._model.history(user)), strict=True))
        return of_score, list(self._of_order(person, rows, order, [weights[row] for row in person.ratings]))

    def _person(self, user: UserQuery) -> Person:
        features, weights = (part[0] for part in self._model.features_of_queries([user]))
        known, first = {}, 0
        for field in self._model.metadata.user_features.fields:
            columns = slice(first, first + field.columns)
            first += field.columns
            if not torch.equal(features[columns], self._missing[columns]):
                known[field.name] = columns
        return Person(self._model.ratings_of(user), features, weights, known)

    def _of_order(self, person: Person, rows: Tensor, order: Tensor, weights: list[float]) -> Iterator[Explanation]:
        """``weights``: of the person's ratings, as the ranker's histories have them (``Model.history``)."""
        history = np.array(list(person.ratings), np.int64), np.array(weights)
        by_movie, everybody, by_column = self._model.ranker.shares(history, person.features, person.weights, rows)
        others: list[tuple[str, str | None, Tensor]] = [("everybody", None, everybody)]
        others += [("feature", name, by_column[:, columns].sum(dim=1)) for name, columns in person.known.items()]
        return self._largest(order, person, by_movie, others)

    def _of_score(self, person: Person, rows: Tensor, raw: Tensor) -> Iterator[Explanation]:
        network = self._model.network
        items = self._model.arrays["item_encodings"][rows]
        score = scorer(network, person.features, person.weights, items)
        embedding = self._model.prior.mean
        by_movie = torch.zeros(len(rows), 0)
        if person.ratings:
            solution = self._model.fold_in(person.features, person.weights, person.ratings)
            embedding = solution.embedding
            _, jacobian = with_derivatives(score, embedding.expand(len(rows), -1))
            by_movie = jacobian @ torch.linalg.solve(solution.precision, solution.contributions.t())
        embeddings = embedding.expand(len(rows), -1)
        others: list[tuple[str, str | None, Tensor]] = []
        for name, columns in person.known.items():
            features, weights = person.features.clone(), person.weights.clone()
            features[columns], weights[columns] = self._missing[columns], self._weights[columns]
            without = scorer(network, features, weights, items)
            others.append(("feature", name, score(embeddings) - without(embeddings)))
        return self._largest(raw - network.score_all(self._unknown_user, items)[0].cpu(), person, by_movie, others)

    @staticmethod
    def _largest(
        totals: Tensor, person: Person, by_movie: Tensor, others: list[tuple[str, str | None, Tensor]]
    ) -> Iterator[Explanation]:
        """For each of k movies its total of ``totals`` [k], and shares that add up to it.

        The largest shares of rated movies ``by_movie`` [k, n], the ``others`` (kind, name, shares [k]), and the
        remainder.
        """
        by_movie = by_movie.cpu()
        strongest = by_movie.abs().topk(min(MAX_MOVIES, len(person.ratings)), dim=1).indices
        rated = np.array(list(person.ratings), dtype=np.int64)[strongest.numpy()].tolist()
        largest = by_movie.gather(1, strongest).tolist()
        named = [(kind, name, shares.tolist()) for kind, name, shares in others]
        for entry, exact in enumerate(totals.tolist()):
            total = round(exact, 6)
            shares = [
                Share("movie", row, round(share, 6)) for row, share in zip(rated[entry], largest[entry], strict=True)
            ]
            shares += [Share(kind, name, round(values[entry], 6)) for kind, name, values in named]
            remainder = round(total - sum(share.share for share in shares), 6)
            yield Explanation(total, [*shares, Share("remainder", None, remainder)])
