"""Metrics of single scores: of ratings, and of the probability of a like."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score, root_mean_squared_error

from handlers.recommender.model.link import Link

from .calibration import like_probabilities, reliability
from .names import Metric


def rating_metrics(ratings: np.ndarray, scores: np.ndarray) -> dict[Metric, float]:
    """RMSE and MAE of ``scores`` [n] on the scale of the ``ratings`` [n]."""
    return {
        Metric.RMSE: float(root_mean_squared_error(ratings, scores)),
        Metric.MAE: float(mean_absolute_error(ratings, scores)),
    }


def like_metrics(
    likes: np.ndarray, raw: torch.Tensor, link: Link, like_above: float, target: str
) -> dict[Metric, float]:
    """Metrics of raw scores [n] for ``likes`` [n], zeros and ones; empty where there is only one of the two.

    The AUC; the log loss where the ``target`` of the fit is "like"; the expected calibration error where ``link`` gives
    a probability of a rating above ``like_above``.
    """
    if len(np.unique(likes)) < 2:
        return {}
    found = {Metric.AUC: float(roc_auc_score(likes, raw.numpy()))}
    if target == "like":
        found[Metric.LOG_LOSS] = like_log_loss(likes, link.inverse_link(raw).double().numpy())
    probabilities = like_probabilities(raw, link, like_above)
    if probabilities is not None:
        found[Metric.ECE] = reliability(likes, probabilities).error
    return found


def like_log_loss(likes: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean log loss in nats of ``probabilities`` [n] of ``likes`` [n], zeros and ones."""
    return float(log_loss(likes, probabilities, labels=[0, 1]))
