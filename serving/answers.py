"""Compares the answers of the running version and of its successor, and how long both take to answer."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from archives.ids import MOVIES, USERS, ids_in
from client.recommender_client import Recommender

from .gate import Check, Tolerance

TIMED = 100  # requests a round: the fewest that have a 99th percentile
ROUNDS = 3
TOP = 10  # the length of the lists that are compared
RETRIES = 14  # of one request, over 25 s on average: a worker that has died is up again after 5 to 9 s


class Asker:
    """Asks versions of one model, and asks again where a worker has just died or a queue is full.

    ``token`` gives the server's inference key at the first request to a version; None where it needs none.
    """

    def __init__(self, inference: str, model: str, token: Callable[[], str | None] = lambda: None) -> None:
        self._client = partial(Recommender, inference, model, timeout=120, retries=RETRIES)
        self._token = token
        self._clients: dict[str, Recommender] = {}

    def ask(self, version: str, body: dict[str, Any]) -> dict[str, Any]:
        """A version's answer. Raises RecommenderError for an error, requests.RequestException where there is none."""
        if version not in self._clients:
            self._clients[version] = self._client(version=version, token=self._token())
        return self._clients[version].ask(body)

    def seconds(self, version: str, body: dict[str, Any]) -> float:
        """How long an answer takes."""
        start = time.perf_counter()
        self.ask(version, body)
        return time.perf_counter() - start


class Sample(NamedTuple):
    """Requests for pairs and for lists, of users and movies that the running version knows."""

    pairs: list[dict[str, Any]]
    tops: list[dict[str, Any]]

    @classmethod
    def of(cls, archive: Path, pairs: int = 200, users: int = 40) -> Sample:
        """A sample of an archive's ids, the same at each call."""
        rng = random.Random(0)
        user_ids, movie_ids = ids_in(archive, USERS), ids_in(archive, MOVIES)
        return cls(
            [{"user_id": rng.choice(user_ids), "movie_id": rng.choice(movie_ids)} for _ in range(pairs)],
            [{"user_id": user, "k": TOP} for user in rng.sample(user_ids, min(users, len(user_ids)))],
        )


def compare_answers(asker: Asker, sample: Sample, old: str, new: str, tolerance: Tolerance) -> Iterator[Check]:
    """The checks of the answers to ``sample`` and of their latencies: ``old`` runs, ``new`` is to replace it."""
    yield from _answers(asker, sample, old, new, tolerance)
    yield from _latency(asker, sample, old, new, tolerance)


def _answers(asker: Asker, sample: Sample, old: str, new: str, tolerance: Tolerance) -> Iterator[Check]:
    request = {"instances": sample.pairs + sample.tops}
    before, after = (asker.ask(version, request)["predictions"] for version in (old, new))
    errors = [sum("error" in answer for answer in answers) for answers in (before, after)]
    yield Check("errors", *errors, f"at most {errors[0]}", errors[1] <= errors[0])
    unknown = sum("unknown" in answer for answer in after) / len(after)
    yield Check("unknown ids", 0, unknown, f"at most {tolerance.unknown:g}", unknown <= tolerance.unknown)
    both = [(a, b) for a, b in zip(before, after, strict=True) if "error" not in a and "error" not in b]
    correlation = _correlation([(a["score"], b["score"]) for a, b in both if "score" in a])
    yield Check(
        "correlation", None, correlation, f"at least {tolerance.correlation:g}", correlation >= tolerance.correlation
    )
    tops = [(_movies(a), _movies(b)) for a, b in both if "recommendations" in a]
    overlap = statistics.fmean(len(a & b) / max(len(a), 1) for a, b in tops) if tops else 0.0
    yield Check(f"top-{TOP} overlap", None, overlap, f"at least {tolerance.overlap:g}", overlap >= tolerance.overlap)


def id_of(entry: dict[str, Any]) -> Any:
    """The id of a list's entry, which is under the word that the log has."""
    return entry["movie_id"] if "movie_id" in entry else entry["item_id"]


def _movies(answer: dict[str, Any]) -> set[Any]:
    return {id_of(entry) for entry in answer["recommendations"]}


def _correlation(scores: list[tuple[float, float]]) -> float:
    try:
        return statistics.correlation(*zip(*scores, strict=True))
    except (statistics.StatisticsError, TypeError):
        return 0.0  # fewer than two scores, or one version scores all pairs alike


def _latency(asker: Asker, sample: Sample, old: str, new: str, tolerance: Tolerance) -> Iterator[Check]:
    # Noise of a busy machine only ever adds: a version that is fast enough in one round is fast enough.
    requests = sample.pairs + sample.tops
    for _ in range(ROUNDS):
        seconds: dict[str, list[float]] = {old: [], new: []}
        for body in random.Random(0).choices(requests, k=TIMED):
            for version, taken in seconds.items():
                taken.append(asker.seconds(version, body))
        before, after = (1000 * statistics.quantiles(seconds[version], n=100)[98] for version in (old, new))
        limit = before * (1 + tolerance.p99) + 5
        if after <= limit:
            break
    yield Check("p99 in ms", before, after, f"at most {limit:.1f}", after <= limit)
