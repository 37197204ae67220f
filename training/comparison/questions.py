"""The questions that two archives are asked, and the metrics of their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..data.log import RatingsLog
from ..metrics import intervals
from ..metrics.intervals import Estimate
from ..metrics.names import Metric
from ..metrics.ranking import LENGTH, ndcg
from .asking import ask_each, limits

FEWEST_USERS = 10  # with fewer an interval says nothing
MOST_IDS = 10_000  # that an archive takes in one list
DISLIKES = 4  # drawn for each row of a log of likes
SMALLEST_CHANCE = 1e-6  # answers have six digits


class Answers(NamedTuple):
    """``scores`` float64 [pairs]; ``hits`` bool [users, LENGTH]: which places of a user's list hold a held-out row."""

    scores: np.ndarray
    hits: np.ndarray


class Questions:
    """The scores of held-out ``rows``, and for each of their users a list without the movies in ``seen_since``.

    ``users`` [users]: their ids. ``who`` int64 [pairs]: whose, as a position in that. ``likes`` bool [pairs]. To rows
    of a log of likes dislikes are added, drawn at random. The others are asked for the moment of the rating, where the
    rows have timestamps.
    """

    def __init__(self, rows: pd.DataFrame, seen_since: pd.DataFrame, log: RatingsLog, like_above: float) -> None:
        self._rows, pairs = len(rows), rows[["user_id", "movie_id"]]
        timed = pairs.assign(timestamp=rows["timestamp"]) if _can_be_asked(rows) else pairs
        self.ratings = rows["rating"].to_numpy(np.float64) if "rating" in rows else None
        self.likes = np.ones(len(rows), bool) if self.ratings is None else self.ratings > like_above
        if self.ratings is None:
            movies = np.random.default_rng(0).choice(log.ratings["movie_id"].unique(), DISLIKES * len(rows))
            drawn = pd.DataFrame({"user_id": pairs["user_id"].repeat(DISLIKES).to_numpy(), "movie_id": movies})
            timed = pairs = pd.concat([pairs, drawn], ignore_index=True)
            self.likes = np.arange(len(pairs)) < len(rows)
        self.who, users = pd.factorize(pairs["user_id"])
        self.users = pd.Series(users)
        self.wanted = rows.groupby("user_id")["movie_id"].agg(lambda movies: set(movies.astype("str")))[users].tolist()
        seen = seen_since[seen_since["user_id"].isin(users)].groupby("user_id")["movie_id"].agg(list)
        self._pairs = timed.to_dict("records")
        self._lists = [{"user_id": user, "k": LENGTH, "exclude": seen.get(user, [])} for user in self.users.tolist()]

    def ask(self, folder: Path) -> Answers:
        """What the archive unpacked in ``folder`` answers. Raises CannotAnswer where it does not."""
        most = min(MOST_IDS, limits(folder).get("max_ids", MOST_IDS))
        lists = [question | {"exclude": question["exclude"][:most]} for question in self._lists]
        answers = ask_each(folder, [*self._pairs, *lists])
        scores = np.array([answer["score"] for answer in answers[: len(self._pairs)]])
        hits = np.zeros((len(self.users), LENGTH), bool)
        for places, wanted, answer in zip(hits, self.wanted, answers[len(self._pairs) :], strict=True):
            listed = answer["recommendations"]
            places[: len(listed)] = [str(movie.get("movie_id", movie.get("item_id"))) in wanted for movie in listed]
        return Answers(scores, hits)

    def group(self, members: np.ndarray, both: list[Answers], scales: set[str]) -> dict[str, Any]:
        """The metrics of two archives' answers about the users for whom ``members`` bool [users] is true."""
        pairs = members[self.who]
        found: dict[str, Any] = {"rows": int(pairs[: self._rows].sum()), "users": int(members.sum())}
        if found["users"] < FEWEST_USERS:
            return found
        running, new = (self._metrics(answers, members, pairs, scales) for answers in both)
        return found | {name: intervals.compared(running[name], new[name]) for name in running}

    def _metrics(
        self, answers: Answers, members: np.ndarray, pairs: np.ndarray, scales: set[str]
    ) -> dict[Metric, Estimate]:
        scores, likes, (who, _) = answers.scores[pairs], self.likes[pairs], pd.factorize(self.who[pairs])
        found = {}
        if "rating" in scales and self.ratings is not None:
            errors = scores - self.ratings[pairs]
            found |= {
                Metric.RMSE: intervals.root_mean(errors**2, who),
                Metric.MAE: intervals.mean(np.abs(errors), who),
            }
        if 0 < likes.sum() < len(likes):
            found[Metric.AUC] = intervals.auc(scores, likes, who)
            if "like" in scales:
                chance = np.where(likes, scores, 1 - scores).clip(SMALLEST_CHANCE, 1)
                found[Metric.LOG_LOSS] = intervals.mean(-np.log(chance), who)
        wanted = np.array([len(movies) for movies, member in zip(self.wanted, members, strict=True) if member])
        hits, users = answers.hits[members], np.arange(members.sum())
        return found | {
            Metric.NDCG: intervals.mean(ndcg(hits[:, :10], wanted), users),
            Metric.RECALL: intervals.mean(hits.sum(1) / wanted, users),
        }


def _can_be_asked(rows: pd.DataFrame) -> bool:
    """Whether rows have timestamps, all of which a request may have."""
    return "timestamp" in rows and bool((rows["timestamp"] >= 0).all())
