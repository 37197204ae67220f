"""Thirty simulated days of the whole loop: people ask and rate through the gateway, and each night the autopilot runs.

MF is trained on all of ML-100K but its last 30 days. Then each of these days is played, in the order of its timestamps.
Before every 20 ratings, their user asks for some scores and for a list, in which nothing may be that they have rated in
these days; clicks what they will like; and then rates. The night's run of the autopilot watches its new version during
the next day. Planted: on the evening of one day somebody sends many earlier ratings mixed up, and on two days visitors
click less on the lists of whatever version is new.

    python -m benchmarks.drill --work /tmp/drill

Each day is kept in the folder: a drill that was cut short goes on with the next day.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from training.data import load
from training.metrics.ranking import ndcg

from .drill_page import save
from .drill_system import System, background

DAYS, DAY = 30, 86_400
AT_ONCE, PAIRS, LENGTH = 20, 3, 10  # ratings after a list, scores asked before them, movies of a list
LIKED = 4.0  # stars, at least
MIXED_UP, MENDED = 12, 13  # days
WORSE = {20: 0.2, 27: 0.6}  # days, and the minutes of their watch: the shorter one may be too short for a conclusion
WATCH = 0.2  # minutes, of all others: as long as a short day
MANY = 20_000  # ratings that are mixed up
VISITORS = 400


@dataclass
class Numbers:
    """What one way to answer earned: errors of its scores, and which movies of its lists were liked that day."""

    errors: list[float] = field(default_factory=list)
    hits: list[list[bool]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def add(self, scores: list[float], ratings: list[float], movies: list[int], liked: set[int]) -> None:
        self.errors += [score - rating for score, rating in zip(scores, ratings, strict=True)]
        if liked:
            self.hits.append([place < len(movies) and movies[place] in liked for place in range(LENGTH)])
            self.sizes.append(len(liked))

    def metrics(self) -> dict[str, Any]:
        """Sums, so that days can be added up."""
        gains = ndcg(np.array(self.hits), np.array(self.sizes)) if self.hits else np.zeros(0)
        found = sum(map(sum, self.hits)), sum(min(size, LENGTH) for size in self.sizes)
        return {
            "squares": float(np.square(self.errors).sum()), "scores": len(self.errors),
            "ndcg": float(gains.sum()), "lists": len(gains), "hits": found[0], "possible": found[1],
        }  # fmt: skip


class Never:
    """The first model, never trained again: alone, or with what its user has rated since, in each request."""

    def __init__(self, folder: Path) -> None:
        self.service: Service = load_service(folder)
        self.rated: dict[int, dict[int, float]] = {}

    def learn(self, rows: pd.DataFrame) -> None:
        """What somebody has rated since goes into their next requests."""
        for user, of_user in rows.groupby("user_id"):
            self.rated.setdefault(user, {}).update(zip(of_user["movie_id"], of_user["rating"], strict=True))

    def answers(self, user: int, pairs: list[int], fresh: bool) -> tuple[list[float], list[int]]:
        """The scores of ``pairs``, and a list without what the user has rated since."""
        since = self.rated.get(user, {})
        who: dict[str, Any] = {"user_id": user}
        if fresh and since:
            who["ratings"] = [{"movie_id": movie, "rating": rating} for movie, rating in [*since.items()][-100:]]
        wanted = [who | {"movie_id": movie} for movie in pairs] + [who | {"k": LENGTH, "exclude": [*since]}]
        (answer,) = self.service.answer([json.dumps({"instances": wanted}).encode()])
        *scores, top = json.loads(answer.body)["predictions"]
        return [one["score"] for one in scores], [entry["movie_id"] for entry in top["recommendations"]]


def play(system: System, never: Never, day: pd.DataFrame) -> tuple[dict[str, dict[str, Any]], int]:
    """One day through the gateway; what the automation and the two models beside it earned.

    Also how many movies of the lists their user had rated in these days already.
    """
    again, found = 0, {"automation": Numbers(), "never, fresh": Numbers(), "never": Numbers()}
    rng = random.Random(0)
    for user, rows in day.groupby("user_id", sort=False):
        for start in range(0, len(rows), AT_ONCE):
            chunk, rest = rows.iloc[start : start + AT_ONCE], rows.iloc[start:]
            liked = set(rest["movie_id"][rest["rating"] >= LIKED].tolist())
            asked = sorted(rng.sample(range(len(chunk)), min(PAIRS, len(chunk))))
            pairs, ratings = (chunk[name].iloc[asked].tolist() for name in ("movie_id", "rating"))
            shown = system.top(user)
            again += len(never.rated.get(user, {}).keys() & shown)
            scores = [system.ask({"user_id": user, "movie_id": movie})["score"] for movie in pairs]
            found["automation"].add(scores, ratings, shown, liked)
            for name, fresh in (("never, fresh", True), ("never", False)):
                scores, movies = never.answers(user, pairs, fresh)
                found[name].add(scores, ratings, movies, liked)
            system.events(click(user, movie) for movie in shown if movie in liked)
            system.events(rated(chunk))
            never.learn(chunk)
    return {name: numbers.metrics() for name, numbers in found.items()}, again


def click(user: int, movie: int) -> dict[str, Any]:
    return {"user_id": user, "movie_id": movie, "type": "click"}


def rated(rows: pd.DataFrame, later: int = 0) -> Iterator[dict[str, Any]]:
    """Ratings as events; ``later``: seconds that are added to their times."""
    for row in rows.itertuples():
        yield {
            "user_id": row.user_id, "movie_id": row.movie_id, "type": "rating", "rating": row.rating,
            "timestamp": row.timestamp + later, "key": f"{row.movie_id}:{later}",
        }  # fmt: skip


def visit(system: System, users: list[int], known: str) -> None:
    """While the watch lasts, visitors click what version ``known`` shows, and seldom what another one does."""
    rng = random.Random(1)
    while system.step() == "watch":
        for user in rng.sample(users, 20):
            movies, version = system.versioned(user)
            if rng.random() < (0.6 if version == known else 0.1):
                system.events([click(user, rng.choice(movies))])


def drill(system: System, log: pd.DataFrame, first: int, days: range) -> Iterator[dict[str, Any]]:
    """Play some days; yields what happened on each, with the night before it. ``first``: when day 1 begins."""
    base, never = log[log["timestamp"] < first], Never(system.first_model)
    since = (log["timestamp"] - first) // DAY + 1
    never.learn(log[(since >= 1) & (since < days.start)])
    mixed = base.sample(MANY, random_state=0)
    shuffled = mixed.assign(rating=mixed["rating"].sample(frac=1, random_state=1).to_numpy())
    users = base["user_id"].drop_duplicates().sample(VISITORS, random_state=0).tolist()
    for number in days:
        started, version, before = time.monotonic(), system.default(), system.counts()
        with background(system, users):
            if number > 1:
                system.start_night(WORSE.get(number, WATCH))
            during, day = system.default(), log[since == number]
            earned, again = play(system, never, day)
            if number in WORSE:
                visit(system, users, version)
            ended = system.end_night() if number > 1 else {}
        if number == MIXED_UP:
            system.events(rated(shuffled, later=1))
        if number == MENDED:
            system.events(rated(mixed, later=2))
        asked, failed = (now - then for now, then in zip(system.counts(), before, strict=True))
        yield {
            "day": number, "ratings": len(day), "users": day["user_id"].nunique(), "version": during,
            "outcome": ended.get("outcome", ""), "why": ended.get("why", ""), "earned": earned,
            "requests": asked, "failed": failed, "again": again, "seconds": round(time.monotonic() - started, 1),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Thirty days of the loop, with the autopilot each night.")
    parser.add_argument("--days", type=int, default=DAYS, help="the last of the days that are played")
    parser.add_argument("--work", type=Path, required=True, help="a folder for all files; delete it at the end")
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load("ml-100k")
    log = data.ratings.sort_values("timestamp", kind="stable")
    first = int(log["timestamp"].max()) + 1 - DAYS * DAY
    kept = options.work / "days.jsonl"
    played = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    with System.started(options.work, log[log["timestamp"] < first], data.movies) as system:
        for day in drill(system, log, first, range(len(played) + 1, options.days + 1)):
            played.append(day)
            with kept.open("a") as file:
                file.write(json.dumps(day) + "\n")
            print(json.dumps({name: value for name, value in day.items() if name != "earned"}), flush=True)
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "data": {"name": data.name, "sha256": data.sha256},
        "days": played,
    }
    save(results, publish=len(played) == DAYS)


if __name__ == "__main__":
    main()
