"""Metrics of two models on the same rows, and the confidence interval of their difference.

The rows of a user depend on each other, so that users are the unit that is drawn at random, not rows. Each metric is
given with what every user adds to its error (its influence function, summed over the user's rows). The difference of
two models has the differences of these, and their sum of squares is its variance. If a few users have most of the rows,
that is too small: each part is divided by the share of rows that the user does not have (the jackknife: Bell and
McCaffrey, Survey Methodology 28(2), 2002), and the degrees of freedom are those of as many users with equally many rows
(Kish's effective number). For one row a user this is the usual t-interval; for the AUC it is DeLong's variance with
users as clusters (Obuchowski, Biometrics 53(2), 1997).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, t

# Up to five metrics of two groups of users are looked at. Where nothing differs, at most one training in twenty has an
# interval that lies wholly on the bad side of zero.
CONFIDENCE = 0.99


class Estimate(NamedTuple):
    """A metric's ``value``, and each user's ``parts`` float64 [users] of its error, which add up to about zero.

    ``rows`` int64 [users]: how many rows each user has.
    """

    value: float
    parts: np.ndarray
    rows: np.ndarray


def mean(values: np.ndarray, who: np.ndarray) -> Estimate:
    """The mean of ``values`` float64 [n], of the users ``who`` int64 [n] (0, 1, ..., none without a row)."""
    value = float(values.mean())
    return Estimate(value, np.bincount(who, values - value) / len(values), np.bincount(who))


def root_mean(squares: np.ndarray, who: np.ndarray) -> Estimate:
    """The root of the mean of ``squares`` float64 [n], of the users ``who`` int64 [n]."""
    value, parts, rows = mean(squares, who)
    root = value**0.5
    return Estimate(root, parts / (2 * max(root, 1e-12)), rows)


def auc(scores: np.ndarray, likes: np.ndarray, who: np.ndarray) -> Estimate:
    """The area under the ROC curve of ``scores`` float64 [n] for ``likes`` bool [n], some of each kind."""
    ranks = rankdata(scores)
    # Of each like, the share of dislikes that it is above; of each dislike, the share of likes that it is below.
    share = np.empty(len(scores))
    for kind in (likes, ~likes):
        share[kind] = (ranks[kind] - rankdata(scores[kind])) / (~kind).sum()
    share[~likes] = 1 - share[~likes]
    value = float(share[likes].mean())
    counts = np.where(likes, likes.sum(), (~likes).sum())
    return Estimate(value, np.bincount(who, (share - value) / counts), np.bincount(who))


def compared(running: Estimate, new: Estimate) -> dict[str, float]:
    """Both values, and the interval from ``low`` to ``high`` in which ``new - running`` lies.

    The two are of the same rows, of two users at least.
    """
    users, shares = len(new.rows), new.rows / new.rows.sum()
    parts = (new.parts - running.parts) / (1 - shares)
    error = ((users - 1) / users * np.square(parts).sum()) ** 0.5
    degrees_of_freedom = max(1.0, 1 / np.square(shares).sum() - 1)
    reach = float(t.ppf((1 + CONFIDENCE) / 2, degrees_of_freedom) * error)
    difference = new.value - running.value
    return {"running": running.value, "new": new.value, "low": difference - reach, "high": difference + reach}
