"""What a fit is worth on rows it has not seen: ratings, likes and lists."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error

from handlers.recommender.model.link import Link
from handlers.recommender.model.list_ranker import ListRanker

from . import lists
from .calibration import like_probabilities, reliability
from .config import Settings
from .dataset import Dataset
from .fitting import Fit, rank
from .fitting.batches import Batches, likes_of, with_negatives
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

    def take(self, some: np.ndarray) -> Predictions:
        """Those where ``some`` bool [n] says so."""
        return Predictions(
            self.users[some],
            self.movies[some],
            self.raw[torch.from_numpy(some)],
            self.link,
            self.likes[some],
            self.ratings[some],
        )


@torch.no_grad()
def predict(fitted: Fit, train: Dataset, held_out: Dataset, settings: Settings) -> Predictions:
    """Scores of the rows of ``held_out``; where these are likes only, of dislikes drawn at random too."""
    device = next(fitted.network.parameters()).device
    batches = Batches(held_out, np.arange(len(held_out)), settings, device)
    users, movies, ratings = batches.users, batches.movies, held_out.ratings
    likes = torch.from_numpy(likes_of(ratings, settings)).to(device)
    if not held_out.has_ratings:
        users, movies, likes = with_negatives(users, movies, likes, train, torch.Generator().manual_seed(0))
        ratings = np.full(len(users), np.nan, np.float32)
    raw = batches.all_scores(fitted.network, users, movies).cpu()
    return Predictions(users.cpu().numpy(), movies.cpu().numpy(), raw, fitted.link, likes.cpu().numpy(), ratings)


@stage("evaluating")
def evaluate(
    fitted: Fit, head: ListRanker, train: Dataset, index: np.ndarray, held_out: Dataset, settings: Settings
) -> dict[str, Any]:
    """Metrics of a fit to the rows ``index`` of ``train`` on the rows of ``held_out``.

    ``rmse`` and ``mae`` of scores on the scale; ``auc``, ``log_loss`` and ``ece`` (expected calibration error) of
    "rated above ``like_above``", the last where the fit gives a probability of that; what ``lists.measure`` says of the
    lists that ``head`` orders. Rows whose user or movie has no training row are cold: counted, and measured apart.
    """
    predictions = predict(fitted, train, held_out, settings)
    metrics: dict[str, Any] = {"rows": len(held_out)} | _measure(predictions, settings)
    for name, known, rows in (
        ("cold_users", train.user_rows[index], predictions.users),
        ("cold_movies", train.movie_rows[index], predictions.movies),
    ):
        cold = ~np.isin(rows, known)
        metrics[name] = {"rows": int(cold.sum())} | (_measure(predictions.take(cold), settings) if cold.any() else {})
    return metrics | lists.measure(rank.order(head, train, index), train, index, held_out)


def _measure(predictions: Predictions, settings: Settings) -> dict[str, float]:
    _, _, raw, link, likes, ratings = predictions
    scores = link.inverse_link(raw).double().numpy()
    metrics: dict[str, float] = {}
    if len(np.unique(likes)) == 2:
        metrics["auc"] = float(roc_auc_score(likes, raw.numpy()))
        if settings.target == "like":
            metrics["log_loss"] = float(log_loss(likes, scores))
        probabilities = like_probabilities(raw, link, settings.like_above)
        if probabilities is not None:
            metrics["ece"] = reliability(likes, probabilities).error
    if settings.target == "rating":
        metrics["rmse"] = float(root_mean_squared_error(ratings, scores))
        metrics["mae"] = float(mean_absolute_error(ratings, scores))
    return metrics
