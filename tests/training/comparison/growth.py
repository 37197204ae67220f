"""Which rows of a log were there when the running version was trained, and which have come since."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from training.data import RatingsLog

USERS, THEN = 240, 150  # in all, and when the running version was trained


def of_users(log: RatingsLog, rows: np.ndarray, users: Sequence[int]) -> RatingsLog:
    """Those rows of a log, and of its users those with these positions."""
    return dataclasses.replace(log.with_rows(rows), users=log.users.iloc[list(users)].reset_index(drop=True))


def then(log: RatingsLog) -> np.ndarray:
    """The rows that the running version was fitted to: most of those of the first users."""
    early = log.ratings["user_id"].isin(log.users["user_id"].iloc[:THEN]).to_numpy()
    return early & (np.random.default_rng(0).random(len(log)) < 0.9)


def grown(log: RatingsLog, seed: int) -> RatingsLog:
    """The same rows and some 2,500 more: of 60 users who have come since, and of those who were there."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(THEN), THEN + rng.choice(USERS - THEN, 60, replace=False)])
    present = log.ratings["user_id"].isin(log.users["user_id"].iloc[users]).to_numpy()
    return of_users(log, then(log) | (present & (rng.random(len(log)) < 0.7)), users)
