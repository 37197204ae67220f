"""What a fitted estimator is worth on rows that it has not seen: ratings, likes and lists."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from handlers.recommender.model.link import Link

from .config import Settings
from .estimators.two_encoder import TwoEncoderEstimator
from .fitting.targets import likes_of, with_negatives
from .interactions import Interactions
from .metrics.names import Metric
from .metrics.ranking import measure, users_of
from .metrics.rating import like_metrics, rating_metrics
from .progress import stage


class Predictions(NamedTuple):
    """What a fit says of held-out pairs of user and movie, and what is known of them.

    ``users``, ``movies`` int64 [n]: rows; ``raw`` float32 [n]: raw scores; ``link``: what these mean; ``likes``
    float32 [n]: zeros and ones; ``ratings`` float32 [n], NaN where the log has likes only.
    """

    users: np.ndarray
    movies: np.ndarray
    raw: torch.Tensor
    link: Link
    likes: np.ndarray
    ratings: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """Scores on the scale of the target: float64 [n]."""
        return self.link.inverse_link(self.raw).double().numpy()

    def take(self, chosen: np.ndarray) -> Predictions:
        """Those where ``chosen`` bool [n] says so."""
        return Predictions(
            self.users[chosen],
            self.movies[chosen],
            self.raw[torch.from_numpy(chosen)],
            self.link,
            self.likes[chosen],
            self.ratings[chosen],
        )


def predict(estimator: TwoEncoderEstimator, held_out: Interactions) -> Predictions:
    """Scores of the rows of ``held_out``; where these are likes only, of dislikes drawn at random too."""
    users, movies, ratings = held_out.user_rows, held_out.movie_rows, held_out.ratings
    timestamps = held_out.timestamps
    likes = likes_of(ratings, estimator.settings)
    if not held_out.has_ratings:
        columns = (torch.from_numpy(column) for column in (users, movies, likes))
        generator = torch.Generator().manual_seed(0)
        users, movies, likes = (column.numpy() for column in with_negatives(*columns, held_out.shape[1], generator))
        ratings, timestamps = np.full(len(users), np.nan, np.float32), None
    raw = estimator.raw_scores(users, movies, timestamps)
    return Predictions(users, movies, raw, estimator.link, likes, ratings)


@stage("evaluating")
def evaluate(
    estimator: TwoEncoderEstimator, held_out: Interactions, predictions: Predictions | None = None
) -> dict[str, Any]:
    """Metrics of a fitted estimator on the rows of ``held_out``, by the names in ``metrics.names``.

    Those of ratings where it predicts ratings, those of likes, those of its lists. Rows whose user or movie has no
    training row are cold: counted, and measured apart. Lists are those of users with training rows, ``list_users`` of
    them; those of cold users are measured apart too. Scores are for the moments of the rows where these have
    timestamps, and then measured without these too. ``predictions``: those of ``held_out``, where they are known.
    """
    predictions, train = predictions or predict(estimator, held_out), estimator.train
    metrics: dict[str, Any] = {"rows": len(held_out)} | of_scores(predictions, estimator.settings)
    if estimator.drift is not None and held_out.timestamps is not None:
        untimed = predictions._replace(raw=estimator.raw_scores(predictions.users, predictions.movies))
        metrics["without_timestamps"] = of_scores(untimed, estimator.settings)
    for name, known, rows, size in (
        ("cold_users", train.user_rows, predictions.users, train.shape[0]),
        ("cold_movies", train.movie_rows, predictions.movies, train.shape[1]),
    ):
        cold = (np.bincount(known, minlength=size) == 0)[rows]
        measured = of_scores(predictions.take(cold), estimator.settings) if cold.any() else {}
        metrics[name] = {"rows": int(cold.sum())} | measured
    vectors = estimator.ranker.item_similarity if estimator.list_ranker else None
    metrics["list_users"] = len(users_of(train, held_out))
    metrics["cold_users"]["users"] = len(users_of(train, held_out, cold=True))
    if metrics["cold_users"]["users"]:
        metrics["cold_users"] |= measure(estimator.order, train, held_out, vectors=vectors, cold=True)
    return metrics | measure(estimator.order, train, held_out, vectors=vectors)


def of_scores(predictions: Predictions, settings: Settings) -> dict[Metric, float]:
    """Metrics of single scores, without those of lists."""
    raw, link = predictions.raw, predictions.link
    found = like_metrics(predictions.likes, raw, link, settings.like_above, settings.target)
    if settings.target == "rating":
        found |= rating_metrics(predictions.ratings, predictions.scores)
    return found
