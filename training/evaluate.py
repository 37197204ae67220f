"""What a fit is worth on rows it has not seen: ratings, likes and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error

from handlers.recommender.link import Link
from handlers.recommender.rank import RankHead

from . import lists
from .config import Settings
from .dataset import Dataset
from .fitting import Fit, rank
from .fitting.batches import Batches, likes_of, with_negatives


@torch.no_grad()
def evaluate(
    fitted: Fit, head: RankHead, train: Dataset, index: np.ndarray, held_out: Dataset, settings: Settings
) -> dict[str, Any]:
    """Metrics of a fit to the rows ``index`` of ``train`` on the rows of ``held_out``.

    ``rmse`` and ``mae`` of scores on the scale; ``auc`` and ``log_loss`` of "rated above ``like_above``"; what
    ``lists.measure`` says of the lists that ``head`` orders.
    Rows whose user or movie has no training row are cold: counted, and measured apart.
    """
    network, link = fitted.network, fitted.link
    device = next(network.parameters()).device
    batches = Batches(held_out, np.arange(len(held_out)), settings, device)
    users, movies = batches.users, batches.movies
    likes = torch.from_numpy(likes_of(held_out.ratings, settings)).to(device)
    if not held_out.has_ratings:
        users, movies, likes = with_negatives(users, movies, likes, train, torch.Generator().manual_seed(0))
    raw = batches.all_scores(network, users, movies).cpu()
    metrics: dict[str, Any] = {"rows": len(held_out)}
    metrics |= _of_likes(raw, link, likes.cpu().numpy(), settings)
    if settings.target == "rating":
        scores = link.on_scale(raw).numpy()
        metrics |= _of_ratings(scores, held_out.ratings)
        for name, rows, held in (
            ("cold_users", train.user_rows[index], held_out.user_rows),
            ("cold_movies", train.movie_rows[index], held_out.movie_rows),
        ):
            cold = ~np.isin(held, rows)
            metrics[name] = {"rows": int(cold.sum())}
            if cold.any():
                metrics[name] |= _of_ratings(scores[cold], held_out.ratings[cold])
    return metrics | lists.measure(rank.order(head, train, index), train, index, held_out)


def _of_ratings(scores: np.ndarray, ratings: np.ndarray) -> dict[str, float]:
    return {
        "rmse": float(root_mean_squared_error(ratings, scores)),
        "mae": float(mean_absolute_error(ratings, scores)),
    }


def _of_likes(raw: torch.Tensor, link: Link, likes: np.ndarray, settings: Settings) -> dict[str, float]:
    if len(np.unique(likes)) < 2:
        return {}
    metrics = {"auc": float(roc_auc_score(likes, raw.numpy()))}
    if settings.target == "like":
        metrics["log_loss"] = float(log_loss(likes, link.on_scale(raw).double().numpy()))
    return metrics
