"""A new fit beside the version that runs: both are asked the same questions, about rows that neither has seen.

The running archive has seen every row of its log. Of what has come since, a part is held out from the new fit, and
on these rows the two are measured by their answers. People whom the running version knows are measured apart from those
who came since: to the latter a new version is nearly always better, and that would hide what the former lose.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from archives.pack import lay_out

from . import intervals
from .alone import ask_each, limits
from .data.log import RatingsLog
from .data.splits import Split, split
from .intervals import Estimate
from .lists import LENGTH, MOST_USERS, ndcg
from .progress import stage
from .running import Running

GROUPS = "known_users", "new_users"
HELD_OUT = 0.5  # of the new rows; of the whole log not more than an ordinary test takes
ORDINARY_TEST = 0.2
FEWEST_ROWS, FEWEST_USERS = 100, 10  # with fewer an interval says nothing
MOST_IDS = 10_000  # that an archive takes in one list
DISLIKES = 4  # drawn for each row of a log of likes
SMALLEST_CHANCE = 1e-6  # answers have six digits


def digest(rows: pd.DataFrame) -> str:
    """The same for the same rows: metrics of two versions can be compared where they are of these."""
    return sha256(pd.util.hash_pandas_object(rows, index=False).to_numpy().tobytes()).hexdigest()


def split_of_new(running: Running, log: RatingsLog, how: str, seed: int) -> Split | None:
    """A split whose test rows are new since ``running``, and which leaves every other row to the new fit.

    Were old rows held out too, the new fit would know less of them than the running version does. None where there are
    too few new rows, and where ``how`` says by itself which rows are the test's.
    """
    is_new = running.places(log.ratings) < 0
    new = np.flatnonzero(is_new)
    if how not in ("random", "time") or len(new) * HELD_OUT < FEWEST_ROWS:
        return None
    share = min(HELD_OUT, ORDINARY_TEST * len(log) / len(new))
    test = new[split(log.with_rows(new), how, seed, validation=0.0, test=share).test]
    rest = np.setdiff1d(np.arange(len(log)), test)
    parts = split(log.with_rows(rest), how, seed, test=0.0)
    return Split(rest[parts.train], rest[parts.validation], test)


@stage("comparing with the running version")
def compare(
    running: Running, export: Callable[[Path], None], log: RatingsLog, measured: np.ndarray, held_out: pd.DataFrame
) -> dict[str, Any]:
    """What ``metrics.json`` says of ``running`` beside the fit that ``export`` writes to a folder, as to ``build/``.

    ``measured`` int64 [n]: the rows of ``log`` that the fit has seen. ``held_out``: rows that it has not; those of them
    that the running version has seen count for nothing.

    What is returned: ``running``: which version. ``new_rows``: how many rows of the log it has not seen.
    ``changed_ratings``: the share of those it has seen that have another rating now. ``rows``: how many both were
    measured on. ``known_users``, ``new_users``: their ``rows`` and ``users``, and for each metric what
    ``intervals.beside`` says, where there are users enough.

    Raises CannotAnswerError where one of the two archives does not answer.
    """
    fresh = running.places(log.ratings) < 0
    rows = held_out[running.places(held_out) < 0]
    found: dict[str, Any] = {
        "running": {"version": running.version, "sha256": running.sha256},
        "new_rows": int(fresh.sum()),
        "changed_ratings": running.changed(log.ratings),
        "rows": 0,
        "confidence": intervals.CONFIDENCE,
    }
    if len(rows) < FEWEST_ROWS:
        return found
    rows = _of_some_users(rows)
    with TemporaryDirectory(prefix="measured-") as name:
        made, unpacked = Path(name) / "made", Path(name) / "unpacked"
        export(made)
        lay_out(made, unpacked)
        folders = running.folder, unpacked
        says = [json.loads((folder / "metadata.json").read_bytes()) for folder in folders]
        asked = Questions(rows, log.ratings.iloc[measured[fresh[measured]]], log, says[1]["like_above"])
        answers = [asked.ask(folder) for folder in folders]
    known = running.knows(asked.users)
    groups = dict(zip(GROUPS, (known, ~known), strict=True))
    of_groups = {name: asked.group(some, answers, _scales(*says)) for name, some in groups.items()}
    return found | {"rows": len(rows)} | of_groups


def described(found: dict[str, Any]) -> str:
    """A comparison in a few lines, for the console."""
    version = found["running"]["version"]
    if not found["rows"]:
        return f"{found['new_rows']:,} rows are new since version {version}: too few to measure both on"
    lines = [f"beside version {version}, on {found['rows']:,} rows that neither has seen:"]
    for name in GROUPS:
        group = found[name]
        numbers = [
            f"{metric} {one['running']:.4f} -> {one['new']:.4f} ({one['low']:+.4f} to {one['high']:+.4f})"
            for metric, one in group.items()
            if isinstance(one, dict)
        ]
        lines.append(f"  {group['users']:,} {name.replace('_', ' ')}: " + (", ".join(numbers) or "too few"))
    return "\n".join(lines)


class Answers(NamedTuple):
    """``scores`` float64 [pairs]; ``hits`` bool [users, LENGTH]: which places of a user's list hold a held-out row."""

    scores: np.ndarray
    hits: np.ndarray


class Questions:
    """The scores of held-out ``rows``, and for each of their users a list without the movies in ``seen_since``.

    ``users`` [users]: their ids. ``who`` int64 [pairs]: whose, as a position in that. ``likes`` bool [pairs]. To rows
    of a log of likes dislikes are added, drawn at random.
    """

    def __init__(self, rows: pd.DataFrame, seen_since: pd.DataFrame, log: RatingsLog, like_above: float) -> None:
        self._rows, pairs = len(rows), rows[["user_id", "movie_id"]]
        self.ratings = rows["rating"].to_numpy(np.float64) if "rating" in rows else None
        self.likes = np.ones(len(rows), bool) if self.ratings is None else self.ratings > like_above
        if self.ratings is None:
            movies = np.random.default_rng(0).choice(log.ratings["movie_id"].unique(), DISLIKES * len(rows))
            drawn = pd.DataFrame({"user_id": pairs["user_id"].repeat(DISLIKES).to_numpy(), "movie_id": movies})
            pairs = pd.concat([pairs, drawn], ignore_index=True)
            self.likes = np.arange(len(pairs)) < len(rows)
        self.who, users = pd.factorize(pairs["user_id"])
        self.users = pd.Series(users)
        self.wanted = rows.groupby("user_id")["movie_id"].agg(lambda its: set(its.astype("str")))[users].tolist()
        seen = seen_since[seen_since["user_id"].isin(users)].groupby("user_id")["movie_id"].agg(list)
        self._pairs = pairs.to_dict("records")
        self._lists = [{"user_id": user, "k": LENGTH, "exclude": seen.get(user, [])} for user in self.users.tolist()]

    def ask(self, folder: Path) -> Answers:
        """What the archive unpacked in ``folder`` answers. Raises CannotAnswerError where it does not."""
        most = min(MOST_IDS, limits(folder).get("max_ids", MOST_IDS))
        lists = [one | {"exclude": one["exclude"][:most]} for one in self._lists]
        answers = ask_each(folder, [*self._pairs, *lists])
        scores = np.array([one["score"] for one in answers[: len(self._pairs)]])
        hits = np.zeros((len(self.users), LENGTH), bool)
        for its, wanted, answer in zip(hits, self.wanted, answers[len(self._pairs) :], strict=True):
            listed = answer["recommendations"]
            its[: len(listed)] = [str(one["movie_id"]) in wanted for one in listed]
        return Answers(scores, hits)

    def group(self, some: np.ndarray, both: list[Answers], scales: set[str]) -> dict[str, Any]:
        """The metrics of two archives' answers about the users for whom ``some`` bool [users] is true."""
        mine = some[self.who]
        found: dict[str, Any] = {"rows": int(mine[: self._rows].sum()), "users": int(some.sum())}
        if found["users"] < FEWEST_USERS:
            return found
        running, new = (self._metrics(one, some, mine, scales) for one in both)
        return found | {name: intervals.beside(running[name], new[name]) for name in running}

    def _metrics(self, answers: Answers, some: np.ndarray, mine: np.ndarray, scales: set[str]) -> dict[str, Estimate]:
        scores, likes, (who, _) = answers.scores[mine], self.likes[mine], pd.factorize(self.who[mine])
        found = {}
        if "rating" in scales and self.ratings is not None:
            away = scores - self.ratings[mine]
            found |= {"rmse": intervals.root_mean(away**2, who), "mae": intervals.mean(np.abs(away), who)}
        if 0 < likes.sum() < len(likes):
            found["auc"] = intervals.auc(scores, likes, who)
            if "like" in scales:
                chance = np.where(likes, scores, 1 - scores).clip(SMALLEST_CHANCE, 1)
                found["log_loss"] = intervals.mean(-np.log(chance), who)
        wanted = np.array([len(one) for one, its in zip(self.wanted, some, strict=True) if its])
        hits, everybody = answers.hits[some], np.arange(some.sum())
        gained = np.array([ndcg(its[:10], count) for its, count in zip(hits, wanted, strict=True)])
        return found | {
            "ndcg@10": intervals.mean(gained, everybody),
            "recall@20": intervals.mean(hits.sum(1) / wanted, everybody),
        }


def _scales(running: dict[str, Any], new: dict[str, Any]) -> set[str]:
    """What the scores of both are: ratings, or probabilities of the same like; nothing where they differ."""
    same = running["target"] == new["target"] and (
        new["target"] == "rating" or running["like_above"] == new["like_above"]
    )
    return {new["target"]} if same else set()


def _of_some_users(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of as many users as an ordinary test makes lists for, drawn at random where there are more."""
    users = rows["user_id"].unique()
    if len(users) <= MOST_USERS:
        return rows
    return rows[rows["user_id"].isin(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))]
