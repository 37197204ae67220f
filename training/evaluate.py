"""What a fit is worth on rows it has not seen: ratings, likes and lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.metrics import log_loss, mean_absolute_error, ndcg_score, roc_auc_score, root_mean_squared_error

from handlers.recommender.link import Link

from .config import Settings
from .dataset import Dataset
from .fitting.batches import Batches, likes_of, with_negatives
from .models import TwoEncoder

USERS_A_BLOCK = 512
MOST_USERS = 10_000  # users whose lists are evaluated at most, drawn at random


@torch.no_grad()
def evaluate(
    network: TwoEncoder, link: Link, train: Dataset, index: np.ndarray, held_out: Dataset, settings: Settings
) -> dict[str, Any]:
    """Metrics of a fit to the rows ``index`` of ``train`` on the rows of ``held_out``.

    ``rmse`` and ``mae`` of scores on the scale; ``auc`` and ``log_loss`` of "rated above ``like_above``"; ``ndcg@10``
    and ``recall@20`` over the whole catalogue with the movies of ``index`` left out, every held-out row a positive.
    Rows whose user or movie has no training row are cold: counted, and measured apart.
    """
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
    return metrics | _of_lists(network, train, index, held_out, batches)


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


def _of_lists(
    network: TwoEncoder, train: Dataset, index: np.ndarray, held_out: Dataset, batches: Batches
) -> dict[str, float]:
    movies = torch.arange(len(train.movies.vocabulary), device=batches.users.device)
    items = network.encode_items(
        network.own_items(movies), batches.movie_features[movies], batches.movie_weights[movies]
    )
    known = np.unique(held_out.user_rows[(held_out.user_rows > 0) & (held_out.movie_rows > 0)])
    if len(known) > MOST_USERS:
        known = np.random.default_rng(0).choice(known, MOST_USERS, replace=False)
    ndcg, recall = [], []
    for start in range(0, len(known), USERS_A_BLOCK):
        rows = known[start : start + USERS_A_BLOCK]
        users = torch.from_numpy(rows).to(items.device)
        encoded = network.encode_users(
            network.own_users(users), batches.user_features[users], batches.user_weights[users]
        )
        scores = network.score_all(encoded, items).cpu().numpy().astype(np.float64)
        relevant = _marked(rows, held_out.user_rows, held_out.movie_rows, scores.shape)
        seen = _marked(rows, train.user_rows[index], train.movie_rows[index], scores.shape) & ~relevant
        scores[seen] = scores.min() - 1
        ndcg.append(ndcg_score(relevant[:, 1:], scores[:, 1:], k=10) * len(rows))
        recall.append(recall_at(relevant[:, 1:], scores[:, 1:], 20).sum())
    if not len(known):
        return {}
    return {"ndcg@10": float(sum(ndcg) / len(known)), "recall@20": float(sum(recall) / len(known))}


def _marked(rows: np.ndarray, users: np.ndarray, movies: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool [rows, movies]: which pairs occur."""
    here = np.isin(users, rows)
    marked = np.zeros(shape, dtype=bool)
    marked[np.searchsorted(rows, users[here]), movies[here]] = True
    marked[:, 0] = False
    return marked


def recall_at(relevant: np.ndarray, scores: np.ndarray, k: int) -> np.ndarray:
    """The share of a user's relevant movies among the ``k`` best scores: bool [B, N], float [B, N] to [B]."""
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return np.take_along_axis(relevant, best, axis=1).sum(axis=1) / relevant.sum(axis=1)
