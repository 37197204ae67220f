"""Why a movie is in a list: which ratings and which side features moved its number, and by how much.

The number is the unclipped score, which need not be what orders the list; its personal part is what it has over the
score of somebody unknown. Near a user's solution the score is linear in their own embedding, so a rating's share is
``J_i A^-1 p_j``: its pull p_j on the embedding, spread by the posterior precision A, seen by movie i. For MF that is
the ridge regression's ``q_i' A^-1 q_j residual_j`` exactly. A side feature's share is what the score loses when the
feature is taken away. What is left (interactions, histories, and for DeepFM the perceptron's bends) is the remainder.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from .archive import Archive
from .foldin import scorer, with_jacobian
from .jobs import LIKE, Job
from .people import features_of

MOST_MOVIES = 5  # rated movies named for each entry; the others' shares are in the remainder


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

    def explain(self, job: Job, rows: Any, raw: torch.Tensor) -> list[dict[str, Any]]:
        """``personal`` and ``because`` for each movie of ``rows`` [k] with unclipped scores ``raw`` [k].

        The shares of ``because`` add up to ``personal``.
        """
        archive, network = self.archive, self.archive.network
        features, weights = (part[0] for part in features_of(archive, [job], self.device))
        items = archive.arrays["item_encodings"][torch.from_numpy(rows)]
        ratings = job.ratings or self._history(job)
        own = archive.prior.mean
        by_movie = torch.zeros(len(rows), 0)
        if ratings:
            solution = archive.fold_in(features, weights, ratings)
            _, jacobian = with_jacobian(scorer(network, features, weights, items), solution.own, len(rows))
            by_movie = (jacobian @ torch.linalg.solve(solution.precision, solution.pulls.t())).cpu()
            own = solution.own
        strongest = by_movie.abs().topk(min(MOST_MOVIES, len(ratings)), dim=1).indices
        rated = np.array(list(ratings), dtype=np.int64)[strongest.numpy()].tolist()
        shares = by_movie.gather(1, strongest).tolist()
        by_feature = self._by_feature(features, weights, items, own)
        personal = raw - network.score_all(self.nobody, items)[0].cpu()
        return [
            self._entry(total, zip(movies, its), {name: shares[at] for name, shares in by_feature.items()})
            for at, (total, movies, its) in enumerate(zip(personal.tolist(), rated, shares, strict=True))
        ]

    def _history(self, job: Job) -> dict[int, float]:
        ratings = self.archive.seen_ratings(job.user_row)
        return {
            row: LIKE if rating != rating else rating
            for row, rating in zip(self.archive.seen(job.user_row).tolist(), ratings.tolist())
        }

    def _by_feature(
        self, features: torch.Tensor, weights: torch.Tensor, items: torch.Tensor, own: torch.Tensor
    ) -> dict[str, list[float]]:
        """Each side feature that is known: what the scores [k] lose without it."""
        network = self.archive.network
        own = own.expand(len(items), -1)
        scores = scorer(network, features, weights, items)(own)
        shares, column = {}, 0
        for field in self.archive.metadata.user_features.fields:
            here = slice(column, column + field.columns)
            column += field.columns
            if torch.equal(features[here], self.missing[here]):
                continue
            without = features.clone(), weights.clone()
            without[0][here], without[1][here] = self.missing[here], self.weights[here]
            shares[field.name] = (scores - scorer(network, *without, items)(own)).tolist()
        return shares

    def _entry(
        self, personal: float, by_movie: Iterable[tuple[int, float]], by_feature: dict[str, float]
    ) -> dict[str, Any]:
        named = self.archive.catalogue.named
        because: list[dict[str, Any]] = [named(row) | {"share": round(share, 6)} for row, share in by_movie]
        because += [{"feature": name, "share": round(share, 6)} for name, share in by_feature.items()]
        personal = round(personal, 6)
        because.append({"remainder": True, "share": round(personal - sum(one["share"] for one in because), 6)})
        return {"personal": personal, "because": because}
