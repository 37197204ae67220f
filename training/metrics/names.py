"""The names of all measures of quality, declared once; a name that is not here is an AttributeError or a ValueError."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self


class Metric(StrEnum):
    """A measure, by its name in ``metrics.json``.

    ``about``: what it measures. ``better``: which way is better, None where neither is.
    """

    about: Literal["ratings", "likes", "lists"]
    better: Literal["lower", "higher"] | None

    def __new__(cls, name: str, about: str, better: str | None) -> Self:  # noqa: D102 (of the constants below)
        metric = str.__new__(cls, name)
        metric._value_, metric.about, metric.better = name, about, better
        return metric

    RMSE = "rmse", "ratings", "lower"  # in stars
    MAE = "mae", "ratings", "lower"  # in stars
    AUC = "auc", "likes", "higher"  # of "rated above like_above", or of likes beside drawn pairs; from 0 to 1
    LOG_LOSS = "log_loss", "likes", "lower"  # in nats
    ECE = "ece", "likes", "lower"  # expected calibration error, from 0 to 1
    NDCG = "ndcg@10", "lists", "higher"  # from 0 to 1
    RECALL = "recall@20", "lists", "higher"  # from 0 to 1
    COVERAGE = "coverage@10", "lists", None  # share of the catalogue that is in anybody's first ten
    POPULARITY = "popularity@10", "lists", None  # training rows of a movie in a list, on average
    NOVELTY = "novelty@10", "lists", None  # bits of self-information of a movie in a list, on average
    DIVERSITY = "diversity@10", "lists", None  # 1 - cosine of two movies of a list, on average


HEADLINES = (Metric.RMSE, Metric.MAE, Metric.AUC, Metric.LOG_LOSS, Metric.ECE, Metric.NDCG)  # the report's first lines
