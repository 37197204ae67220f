"""Which rows of a log are for training, for validation and for the test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.data.log import DataError, RatingsLog
from training.progress import stage

if TYPE_CHECKING:
    from training.interactions import Interactions

FOLDS = ("u1", "u2", "u3", "u4", "u5")
HOW = ("random", "time", "leave-one-out", *FOLDS)

USUAL_TEST = 0.2  # share of the rows

_ML_100K_ROWS = 100_000
_FOLD_ROWS = 20_000


@dataclass(frozen=True, eq=False)
class Split:
    """Positions in `log.ratings`, int64, ascending. Every row of the log is in exactly one of the three."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def take(self, rows: Interactions) -> tuple[Interactions, Interactions, Interactions]:
        """The interactions of the three parts; `rows` are those of the whole log."""
        return rows.take(self.train), rows.take(self.validation), rows.take(self.test)


@stage("splitting the log")
def split(log: RatingsLog, how: str, seed: int, validation: float | None = None, test: float | None = None) -> Split:
    """Splits `log`; the same arguments give the same split.

    `test` and `validation` are 0.2 and 0.1 where nothing is said. "random:0.02" and "time:0.02" say 0.02 and half
    of it.

    - "random": `test` and `validation` are shares of all rows.
    - "time": the latest `test` of all rows, the `validation` before them. Rows of one second keep their file
      order.
    - "leave-one-out": each user's last row, and the one before it for validation, by timestamp where there is
      one and by file order otherwise. A user's first row is always for training: a user with two rows has no
      validation row, a user with one no test row. The seed plays no part, nor how large the shares are.
    - "u1" ... "u5": the canonical folds of ml-100k. Fold i's test is rows (i-1)*20,000 to i*20,000 of the
      file; `validation` is a share of all rows, drawn from the other 80,000.

    A share of 0 asks for no rows: what would have been held out for that part goes to the others.

    Raises DataError for an unknown `how`, for shares that leave a part without rows, for "time" without
    timestamps, and for a fold of another log.
    """
    how, usual = _asked(log, how)
    test = usual if test is None else test
    validation = usual / 2 if validation is None else validation
    if how == "leave-one-out":
        return _leave_one_out(log, ("test",) * (test > 0) + ("validation",) * (validation > 0))
    order = np.random.default_rng(seed).permutation(len(log))
    test_rows = _share("test", test, len(log))
    if how == "time":
        if not log.has_timestamps:
            raise DataError("has no timestamps to split by", file=log.name, remedy="Split 'random' instead")
        order = np.argsort(-log.ratings["timestamp"].to_numpy()[::-1], kind="stable")
        order = len(log) - 1 - order  # the latest first; of one second, the last of the file first
    elif how in FOLDS:
        if log.name != "ml-100k" or len(log) != _ML_100K_ROWS:
            raise DataError(f"the fold {how} is one of ml-100k", file=log.name, remedy="Split 'random' instead")
        if test_rows:
            first, test_rows = FOLDS.index(how) * _FOLD_ROWS, _FOLD_ROWS
            held = (order >= first) & (order < first + _FOLD_ROWS)
            order = np.concatenate([order[held], order[~held]])
    validation_rows = _share("validation", validation, len(log))
    if test_rows + validation_rows >= len(log):
        raise DataError(
            f"{test_rows} test and {validation_rows} validation rows of {len(log)} leave none to train on",
            file=log.name,
            remedy="Choose smaller shares",
        )
    part = np.zeros(len(log), np.int8)  # marks: quicker than sorting the positions of each part
    part[order[:test_rows]] = 2
    part[order[test_rows : test_rows + validation_rows]] = 1
    return Split(*(np.flatnonzero(part == number) for number in range(3)))


def _asked(log: RatingsLog, how: str) -> tuple[str, float]:
    """The split that `how` names, and the share for the test that goes with it."""
    name, colon, share = how.partition(":")
    if not colon and name in HOW:
        return name, USUAL_TEST
    if name in HOW[:2] and re.fullmatch(r"0\.0*[1-9]\d*", share):
        return name, float(share)
    remedy = f"Known: {', '.join(HOW)}; random:0.02 and time:0.02 hold out such a share for the test"
    raise DataError(f"is not a split of {log.name}", value=how, remedy=remedy)


def _share(name: str, share: float, rows: int) -> int:
    if not 0 <= share < 1:
        raise DataError(f"is no share for {name}", value=share, remedy="Give one from 0 up to, not including, 1")
    if share > 0 and round(share * rows) == 0:
        raise DataError(f"{share} of {rows} rows for {name} is no row", remedy="Give more rows or a larger share")
    return round(share * rows)


def _leave_one_out(log: RatingsLog, held_out: tuple[str, ...]) -> Split:
    """``held_out``: the parts that get a row of each user, the one with the last row first."""
    users = log.ratings["user_id"]
    order = np.arange(len(log))
    if log.has_timestamps:
        order = np.argsort(log.ratings["timestamp"].to_numpy(), kind="stable")
        users = users.iloc[order]
    by_user = users.groupby(users, sort=False)
    is_first = by_user.cumcount().to_numpy() == 0
    from_last = by_user.cumcount(ascending=False).to_numpy()
    parts = {"train": np.ones(len(log), bool), "validation": np.zeros(len(log), bool), "test": np.zeros(len(log), bool)}
    for place, name in enumerate(held_out):
        parts[name] = (from_last == place) & ~is_first
        parts["train"] &= ~parts[name]
        if not parts[name].any():
            raise DataError(
                f"no user has {('two', 'three')[place]} rows, so there are none for {name}",
                file=log.name,
                remedy="Split 'random' instead",
            )
    return Split(**{name: np.sort(order[chosen]) for name, chosen in parts.items()})
