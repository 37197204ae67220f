"""How much the rows of a log of likes say: how often a pair occurs, what kind of event a row is, and how old it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from training.data.log import AS_THEY_ARE, DataError, Weighing
from training.data.pairs import earlier, keys, latest, repeated
from training.data.tables import refuse

# What an event of a type weighs, beside a row without a type, which weighs 1. That a purchase says as much as five
# clicks is a custom of shops, and no measurement.
EVENT_WEIGHTS = {"view": 0.2, "click": 0.2, "cart": 0.6, "play": 1.0, "like": 1.0, "purchase": 1.0}
LEAST = 1e-6  # so that no pair of an old log decays to a weight of zero
_DAY = 86_400  # seconds


def weighing(events: str = "", half_life: float | None = None) -> Weighing:
    """What two options ask for: types and weights as "purchase=5,click=1", and days.

    Types that `events` does not name keep `EVENT_WEIGHTS`. Raises DataError for a text of another form, a weight below
    0 and a half-life that is not above 0.
    """
    if half_life is not None and not (np.isfinite(half_life) and half_life > 0):
        raise DataError(f"--half-life-days is {half_life:g}", remedy="Give a number above 0")
    given: dict[str, float] = {}
    for part in events.split(",") if events else ():
        kind, _, number = (each.strip() for each in part.partition("="))
        try:
            given[kind] = float(number)
        except ValueError:
            given[kind] = np.nan
        if not kind or not np.isfinite(given[kind]) or given[kind] < 0:
            raise DataError(
                f"--event-weights has {part!r}", remedy="Write purchase=5,click=1; 0 leaves events of a type out"
            )
    return Weighing(EVENT_WEIGHTS | given if given else None, half_life)


def weighed(ratings: pd.DataFrame, by: Weighing, path: Path | str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """One row a pair of a log of likes: its latest one, with the sum of what its rows weigh as `weight`.

    `ratings` may have `weight` (float32) and `event` (a type, where `by` has weights of types). Without these, without
    repeats and without decay there is nothing to weigh, and the table comes back as it is. The index is 0, 1, ...
    Beside it the other rows (`pairs.earlier`), without those of types that weigh nothing.

    Raises DataError for a type that has no weight, where no event counts, and for decay without timestamps.
    """
    if not ({"weight", "event"} & set(ratings) or by.half_life or len(repeated(ratings))):
        return ratings, None
    if by.half_life and "timestamp" not in ratings:
        raise DataError("has no timestamps, so that nothing decays", file=path, remedy="Omit --half-life-days")
    if "event" in ratings:
        counts = _of_types(ratings["event"], by, path) > 0
        if not counts.any():
            raise DataError("all of its events have the weight 0", file=path, remedy="Give one of them more")
        ratings = ratings if counts.all() else ratings[counts].reset_index(drop=True)
    weights = of_rows(ratings, by, path) * (decay(ratings["timestamp"], by) if by.half_life else 1)
    return summed(ratings.drop(columns=["weight", "event"], errors="ignore"), weights)


def of_rows(ratings: pd.DataFrame, by: Weighing, path: Path | str) -> np.ndarray:
    """What rows weigh before they decay: float64 [n], from `weight` and `event` as `weighed` says."""
    weights = ratings["weight"].to_numpy(np.float64) if "weight" in ratings else np.ones(len(ratings))
    return weights * _of_types(ratings["event"], by, path) if "event" in ratings else weights


def refuse_weighing(by: Weighing, log: Path | str) -> None:
    """Raises DataError where somebody wants to weigh the rows of a log that has ratings."""
    if by != AS_THEY_ARE:
        raise DataError(
            "has ratings, and weights of events and their decay are for likes",
            file=log,
            remedy="Omit --event-weights and --half-life-days, or leave the ratings out",
        )


def decay(timestamps: pd.Series, by: Weighing) -> np.ndarray:
    """What is left, at the latest of these seconds [n], of rows that weighed 1 at theirs: float64 [n]; `by` decays."""
    return 0.5 ** ((int(timestamps.max()) - timestamps.to_numpy()) / (_DAY * by.half_life))


def _of_types(types: pd.Series, by: Weighing, path: Path | str) -> np.ndarray:
    types = types.astype("category")
    known = by.events or {}
    weights = np.array([known.get(name, np.nan) for name in types.cat.categories])[types.cat.codes]
    remedy = "Give it a weight with --event-weights (0 leaves its events out). Known: " + ", ".join(known)
    refuse(pd.Series(np.isnan(weights)), types, Path(path), "is an event without a weight", remedy)
    return weights


def summed(ratings: pd.DataFrame, weights: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The latest row of each pair (`pairs.latest`), in their order, with the sum of `weights` [n]; and the other rows.

    Where all sums are 1 there is no column `weight`.
    """
    (found,) = keys(ratings)
    stays = latest(found, ratings["timestamp"].to_numpy() if "timestamp" in ratings else None)
    _, of_row = np.unique(found, return_inverse=True)
    totals = np.maximum(np.bincount(of_row, weights), LEAST).astype(np.float32)[of_row[stays]]
    rows = ratings[stays].reset_index(drop=True)
    return rows if (totals == 1).all() else rows.assign(weight=totals), earlier(ratings, stays)
