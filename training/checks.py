"""Checks of the data before a training: an error if there is nothing to learn or to measure, else warnings."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .browsing import unread_dates
from .config import Settings
from .data.log import DataError, RatingsLog
from .metrics.names import Metric
from .progress import stage

# Why a metric is missing that every part has otherwise.
UNMEASURED = {
    Metric.AUC: "all of its rows are likes, or none is",
    Metric.NDCG: "no row is of a user with training rows and an item of the log",
}


@stage("checking the log")
def check(log: RatingsLog, settings: Settings, test: pd.DataFrame | None = None) -> list[str]:
    """Warnings about what cannot be learned from ``log``, and about what the rows of ``test`` do not measure.

    Raises DataError if nothing can be learned for the target of the settings, or if ``test`` does not measure it.
    """
    warned = _likes(log, settings) if log.has_ratings else _no_ratings(log, settings)
    if settings.target == "rating" and test is not None and "rating" not in test:
        raise DataError("the test rows have no column 'rating'", remedy="Give this column, or train with --target like")
    done, do = ("rated", "rate") if log.has_ratings else ("chosen", "choose")
    for column, others, teaches_nothing in (
        ("movie_id", f"no {log.words.one} was {done} by more than one user", f"what others {do}"),
        ("user_id", f"no user has {done} more than one {log.words.one}", f"what else somebody has {done}"),
    ):
        if log.ratings[column].is_unique:
            warned.append(f"{others}: a model cannot learn from {teaches_nothing}")
    warned += unread_dates(log)
    both = 0 if test is None else int(log.has(test).sum())
    if both:
        warned.append(f"{both:,} of the {len(test):,} test rows are in the log too: training has seen them")
    return warned


def unmeasured(metrics: dict[str, Any]) -> list[str]:
    """A warning for each kind of metric that "validation" or "test" in ``metrics`` lack, where these are not empty.

    Validation rows that chose nothing but the list ranker measure only lists, so nothing else is missing there.
    """
    return [
        f"{part}: nothing about {metric.about} is measured, as {reason}"
        for part in ("validation", "test")
        for metric, reason in UNMEASURED.items()
        if metrics[part] and metric not in metrics[part] and (metric.about == "lists" or "cold_users" in metrics[part])
    ]


def few_lists(metrics: dict[str, Any]) -> list[str]:
    """A warning if most users of "test" in ``metrics`` have no training row: its lists are those of the others."""
    lists, cold = metrics["test"].get("list_users", 0), metrics["test"].get("cold_users", {}).get("users", 0)
    if cold <= lists:
        return []
    return [f"test: lists are measured on {lists:,} users; {cold:,} have no training row and are apart, in cold_users"]


def _no_ratings(log: RatingsLog, settings: Settings) -> list[str]:
    if settings.target == "rating":
        raise DataError("has no ratings to train on", file=log.name, remedy="Use --target like")
    return []


def _likes(log: RatingsLog, settings: Settings) -> list[str]:
    """Warnings about likes.

    Raises DataError if all ratings are equal, or if the target is likes and all ratings are likes, or none is.
    """
    low, high = log.scale
    if low == high:
        raise DataError(
            f"all {len(log):,} ratings are {low:g}, so that nothing tells one {log.words.one} from another",
            file=log.name,
            remedy="Leave the ratings out and use --target like: every row is a like then",
        )
    if low <= settings.like_above < high:
        return []
    problem = f"{'every' if low > settings.like_above else 'no'} rating is above --like-above {settings.like_above:g}"
    problem += f" (they are from {low:g} to {high:g})"
    remedy = f"Choose one from {low:g} up to, not including, {high:g}"
    if settings.target == "like":
        raise DataError(f"{problem}: there is nothing to tell apart", file=log.name, remedy=remedy)
    return [f"{problem}, so that nothing about likes is measured. {remedy}"]
