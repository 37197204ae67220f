"""The running version against its successor: their answers and their speed through the server, and their metrics."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import ReadTimeoutError

from .archives import ids_in
from .gate import Check, Tolerance, checks

TIMED = 100  # requests a round: the fewest that have a 99th percentile
ROUNDS = 3
ASK_AGAIN = (500, 503, 507)  # statuses; the rule and its reasons are in client/recommender_client.py
PAUSES = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # seconds before a request is sent again


class Asker:
    """Asks versions of one model, and asks again where a worker has just died or a queue is full."""

    def __init__(self, inference: str, model: str, token: str | None) -> None:
        self.address = f"{inference}/predictions/{model}"
        self.session = session(token)

    def ask(self, version: str, body: dict[str, Any]) -> dict[str, Any]:
        """A version's answer. Raises requests.RequestException where it has none."""
        response = self.session.post(f"{self.address}/{version}", json=body, timeout=120)
        response.raise_for_status()
        return response.json()

    def seconds(self, version: str, body: dict[str, Any]) -> float:
        """How long an answer takes."""
        start = time.perf_counter()
        self.ask(version, body)
        return time.perf_counter() - start


class _AsksAgain(requests.Session):
    # Not urllib3's Retry: it sends again what was not answered in time, and not what broke inside its answer.
    def request(self, *arguments: Any, **named: Any) -> requests.Response:
        for pause in PAUSES:
            try:
                response = super().request(*arguments, **named)
                if response.status_code not in ASK_AGAIN:
                    return response
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if _is_slow(error):
                    raise
            time.sleep(pause)
        return super().request(*arguments, **named)


def _is_slow(error: requests.RequestException) -> bool:
    # requests calls a time limit met while connecting, or inside an answer, a broken connection as well.
    return isinstance(error, requests.Timeout) or any(isinstance(one, ReadTimeoutError) for one in error.args)


def session(token: str | None = None) -> requests.Session:
    """What a client of TorchServe needs: a request that met a dying worker or a full queue is sent again."""
    made = _AsksAgain()
    if token:
        made.headers["Authorization"] = f"Bearer {token}"
    return made


class Sample(NamedTuple):
    """Pairs and users that the running version knows."""

    pairs: list[dict[str, Any]]
    tops: list[dict[str, Any]]

    @classmethod
    def of(cls, archive: Path, pairs: int = 200, users: int = 40) -> Sample:
        """A sample of an archive's ids, the same at each call."""
        drawn = random.Random(0)
        known, movies = ids_in(archive, "users"), ids_in(archive, "movies")
        return cls(
            [{"user_id": drawn.choice(known), "movie_id": drawn.choice(movies)} for _ in range(pairs)],
            [{"user_id": user, "k": 10} for user in drawn.sample(known, min(users, len(known)))],
        )


def compare(
    asker: Asker, sample: Sample, old: str, new: str, abouts: dict[str, dict[str, Any]], tolerance: Tolerance
) -> list[Check]:
    """All checks; ``abouts``: what each version's archive says of itself."""
    return [
        *_answers(asker, sample, old, new, tolerance),
        *_latency(asker, sample, old, new, tolerance),
        *checks(abouts[old], abouts[new], tolerance),
    ]


def _answers(asker: Asker, sample: Sample, old: str, new: str, tolerance: Tolerance) -> Iterable[Check]:
    asked = {"instances": sample.pairs + sample.tops}
    before, after = (asker.ask(version, asked)["predictions"] for version in (old, new))
    wrong = [sum("error" in one for one in answers) for answers in (before, after)]
    yield Check("errors", *wrong, f"at most {wrong[0]}", wrong[1] <= wrong[0])
    unknown = sum("unknown" in one for one in after) / len(after)
    yield Check("unknown ids", 0, unknown, f"at most {tolerance.unknown:g}", unknown <= tolerance.unknown)
    both = [pair for pair in zip(before, after, strict=True) if not any("error" in one for one in pair)]
    scores = [(a["score"], b["score"]) for a, b in both if "score" in a]
    tops = [tuple({one["movie_id"] for one in x["recommendations"]} for x in ab) for ab in both if "score" not in ab[0]]
    correlation = _correlation(scores)
    yield Check(
        "correlation", None, correlation, f"at least {tolerance.correlation:g}", correlation >= tolerance.correlation
    )
    overlap = statistics.fmean(len(a & b) / max(len(a), 1) for a, b in tops) if tops else 0.0
    yield Check("top-10 overlap", None, overlap, f"at least {tolerance.overlap:g}", overlap >= tolerance.overlap)


def _correlation(scores: list[tuple[float, float]]) -> float:
    try:
        return statistics.correlation(*zip(*scores, strict=True))
    except (statistics.StatisticsError, TypeError):
        return 0.0  # fewer than two scores, or one version scores all pairs alike


def _latency(asker: Asker, sample: Sample, old: str, new: str, tolerance: Tolerance) -> Iterable[Check]:
    # Noise of a busy machine only ever adds: a version that is fast enough in one round is fast enough.
    asked = sample.pairs + sample.tops
    for _ in range(ROUNDS):
        seconds: dict[str, list[float]] = {old: [], new: []}
        for body in random.Random(0).choices(asked, k=TIMED):
            for version, taken in seconds.items():
                taken.append(asker.seconds(version, body))
        before, after = (1000 * statistics.quantiles(seconds[version], n=100)[98] for version in (old, new))
        limit = before * (1 + tolerance.p99) + 5
        if after <= limit:
            break
    yield Check("p99 in ms", before, after, f"at most {limit:.1f}", after <= limit)
