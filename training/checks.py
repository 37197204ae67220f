"""What a training cannot learn or measure: an error where that is everything, a warning where it is something."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .config import Settings
from .data.log import DataError, RatingsLog

# By a metric that every part has otherwise: what is missing with it, and why.
UNMEASURED = {
    "auc": ("likes", "all of its rows are likes, or none is"),
    "ndcg@10": ("lists", "none of its rows is of a user and a movie of the log"),
}


def check(log: RatingsLog, settings: Settings, test: pd.DataFrame | None = None) -> list[str]:
    """What ``log`` teaches less than it seems to, and what the rows of ``test`` do not measure: warnings.

    Raises DataError where the log has nothing of what the settings ask for to be learned, or ``test`` nothing to
    measure it by.
    """
    warned = _likes(log, settings) if log.has_ratings else _no_ratings(log, settings)
    if settings.target == "rating" and test is not None and "rating" not in test:
        raise DataError("the test rows have no column 'rating'", remedy="Give one, or train with --target like")
    for column, others, teaches_nothing in (
        ("movie_id", "no movie was rated by more than one user", "what others rate"),
        ("user_id", "no user has rated more than one movie", "what else somebody rated"),
    ):
        if log.ratings[column].is_unique:
            warned.append(f"{others}: a model cannot learn from {teaches_nothing}")
    both = 0 if test is None else int(log.has(test).sum())
    if both:
        warned.append(f"{both:,} of the {len(test):,} test rows are in the log too: training has seen them")
    return warned


def unmeasured(part: str, metrics: dict[str, Any]) -> list[str]:
    """What the ``metrics`` of a ``part`` do not have, and why: warnings; none of a part without any."""
    missing = [reason for name, reason in UNMEASURED.items() if metrics and name not in metrics]
    return [f"{part}: nothing about {what} is measured, as {why}" for what, why in missing]


def _no_ratings(log: RatingsLog, settings: Settings) -> list[str]:
    if settings.target == "rating":
        raise DataError("has no ratings to train on", file=log.name, remedy="Use --target like")
    return []


def _likes(log: RatingsLog, settings: Settings) -> list[str]:
    """Raises DataError where all ratings are or mean the same; a warning where that matters to metrics alone."""
    low, high = log.scale
    if low == high:
        raise DataError(
            f"all {len(log):,} ratings are {low:g}, so that nothing tells one movie from another",
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
