"""Why a movie is in a list, and why it has its score: which ratings and which side features moved either number.

The number that orders a list is a sum (rank.py), so its shares are exact: one a rating, one of what is true of
everybody, one a side feature. The remainder is those that are not named. Where an archive has no head for lists, the
score is that number.

Of the unclipped score, the personal part is what it has over the score of somebody unknown. Near a user's solution the
score is linear in their own embedding, so a rating's share is ``J_i A^-1 p_j``: its pull p_j on the embedding, spread
by the posterior precision A, seen by movie i. For MF that is the ridge regression's ``q_i' A^-1 q_j residual_j``
exactly. A side feature's share is what the score loses when the feature is taken away. What is left (interactions,
histories, and for DeepFM the perceptron's bends) is in the remainder.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..api.jobs import LIKE, Job
from .archive import Archive
from .foldin import scorer, with_jacobian
from .people import features_of

MOST_MOVIES = 5  # rated movies named for each entry; the others' shares are in the remainder

Reason = dict[str, Any]


@dataclass(frozen=True)
class Person:
    """Whose list it is: ratings by movie row, side features and weights [C], the columns of those that are known."""

    ratings: dict[int, float]
    features: Tensor
    weights: Tensor
    known: dict[str, slice]


class Explainer:
    """Explains lists made from one archive."""

    def __init__(self, archive: Archive, device: torch.device) -> None:
        self.archive = archive
        self.device = device
        row = torch.zeros(1, dtype=torch.int64)
        missing, weights = (part.to(device) for part in archive.features_of(row))
        self.missing, self.weights = missing[0], weights[0]  # [C]: nothing known
        self.nobody = archive.network.encode_users(
            archive.network.own_users(row.to(device)), missing, weights
        )  # [1, D]

    def explain(self, job: Job, rows: Tensor, raw: Tensor, order: Tensor | None) -> list[dict[str, Any]]:
        """What the entries of a list gain: those of the movies ``rows`` [k], with unclipped scores ``raw`` [k].

        ``because`` has the shares that add up to ``personal``, ``rank_because`` those that add up to ``rank_score``,
        the number ``order`` [k] that the list is ordered by. Without ``order`` there are only the first two.
        """
        person = self._person(job)
        of_score = self._of_score(person, rows, raw)
        entries: list[dict[str, Any]] = [{"personal": total, "because": reasons} for total, reasons in of_score]
        if order is not None:
            for entry, (total, reasons) in zip(entries, self._of_order(person, rows, order), strict=True):
                entry |= {"rank_score": total, "rank_because": reasons}
        return entries

    def _person(self, job: Job) -> Person:
        features, weights = (part[0] for part in features_of(self.archive, [job], self.device))
        known, column = {}, 0
        for field in self.archive.metadata.user_features.fields:
            here = slice(column, column + field.columns)
            column += field.columns
            if not torch.equal(features[here], self.missing[here]):
                known[field.name] = here
        return Person(job.ratings or self._history(job), features, weights, known)

    def _history(self, job: Job) -> dict[int, float]:
        ratings = self.archive.seen_ratings(job.user_row)
        return {
            row: LIKE if rating != rating else rating
            for row, rating in zip(self.archive.seen(job.user_row).tolist(), ratings.tolist())
        }

    def _of_order(self, person: Person, rows: Tensor, order: Tensor) -> Iterator[tuple[float, list[Reason]]]:
        history = np.array(list(person.ratings), np.int64), np.array(list(person.ratings.values()))
        by_movie, everybody, by_column = self.archive.rank.shares(history, person.features, person.weights, rows)
        others: list[tuple[Reason, Tensor]] = [({"everybody": True}, everybody)]
        others += [({"feature": name}, by_column[:, here].sum(dim=1)) for name, here in person.known.items()]
        return self._reasons(order, person, by_movie, others)

    def _of_score(self, person: Person, rows: Tensor, raw: Tensor) -> Iterator[tuple[float, list[Reason]]]:
        network = self.archive.network
        items = self.archive.arrays["item_encodings"][rows]
        score = scorer(network, person.features, person.weights, items)
        own = self.archive.prior.mean
        by_movie = torch.zeros(len(rows), 0)
        if person.ratings:
            solution = self.archive.fold_in(person.features, person.weights, person.ratings)
            _, jacobian = with_jacobian(score, solution.own, len(rows))
            by_movie = jacobian @ torch.linalg.solve(solution.precision, solution.pulls.t())
            own = solution.own
        own = own.expand(len(rows), -1)
        others = []
        for name, here in person.known.items():
            without = person.features.clone(), person.weights.clone()
            without[0][here], without[1][here] = self.missing[here], self.weights[here]
            others.append(({"feature": name}, score(own) - scorer(network, *without, items)(own)))
        return self._reasons(raw - network.score_all(self.nobody, items)[0].cpu(), person, by_movie, others)

    def _reasons(
        self, totals: Tensor, person: Person, by_movie: Tensor, others: list[tuple[Reason, Tensor]]
    ) -> Iterator[tuple[float, list[Reason]]]:
        """For each of k movies its total of ``totals`` [k], and shares that add up to it.

        The largest of each rated movie's shares [k, n], the ``others`` by name, [k] each, and what is left.
        """
        by_movie = by_movie.cpu()
        strongest = by_movie.abs().topk(min(MOST_MOVIES, len(person.ratings)), dim=1).indices
        rated = np.array(list(person.ratings), dtype=np.int64)[strongest.numpy()].tolist()
        shares = by_movie.gather(1, strongest).tolist()
        of_others = [(name, its.tolist()) for name, its in others]
        named = self.archive.catalogue.named
        for at, total in enumerate(totals.tolist()):
            reasons = [
                named(row) | {"share": round(share, 6)} for row, share in zip(rated[at], shares[at], strict=True)
            ]
            reasons += [name | {"share": round(its[at], 6)} for name, its in of_others]
            total = round(total, 6)
            left = round(total - sum(reason["share"] for reason in reasons), 6)
            yield total, [*reasons, {"remainder": True, "share": left}]
