"""What one batch may take: small requests are answered, the rest of a large one is refused in its place."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from handlers.recommender.api import budget, metrics
from handlers.recommender.api.job import Job
from handlers.recommender.api.limits import Limits
from handlers.recommender.api.requests import GivenRating, Request
from handlers.recommender.api.service import Service
from tests.handlers.asking import limited

LIST = {"user_id": 11, "k": 5}


@pytest.fixture
def service(services: dict[str, Service]) -> Service:
    return limited(services["fm"])


def answered(service: Service, *requests: Any) -> list[Any]:
    return [json.loads(one.body) for one in service.answer([json.dumps(one).encode() for one in requests])]


def refused(predictions: list[Any]) -> list[bool]:
    return ["error" in one for one in predictions]


def test_what_is_left_when_the_time_is_over_is_refused_and_small_requests_come_first(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = answered(service, LIST)
    seconds = itertools.count()
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(seconds))  # a second at each look at the clock
    large, small = answered(limited(service, max_batch_seconds=2), {"instances": [LIST] * 200}, LIST)
    assert small == alone
    done = 2 * budget.CLOCK_INTERVAL - 1
    assert refused(large["predictions"]) == [False] * done + [True] * (200 - done)
    assert large["predictions"][0] == alone
    error = large["predictions"][-1]["error"]
    assert (error["code"], error["type"]) == (503, "Overloaded")
    assert "2 s" in error["message"]
    assert "ask this again, for less" in error["message"]


@pytest.mark.parametrize("one", [LIST, {"user_id": 11, "movie_id": 103}], ids=["lists", "pairs"])
def test_each_question_of_a_body_that_is_refused_as_a_whole_counts_as_an_error(
    service: Service, one: dict[str, int]
) -> None:
    small = limited(service, max_answer_bytes=2000)
    (refusal,) = answered(small, {"instances": [one] * 100})
    assert (refusal["code"], refusal["type"]) == (413, "TooLarge")
    counts = small.tally.take()
    assert counts[metrics.ERRORS, "413"] == counts[metrics.INSTANCES, ""] == 100


def test_what_is_left_when_the_bytes_are_spent_is_refused(service: Service) -> None:
    large, small = answered(limited(service, max_batch_bytes=1000), {"instances": [LIST] * 100}, LIST)
    assert small == answered(service, LIST)[0]
    done = budget.CLOCK_INTERVAL - 1
    assert refused(large["predictions"]) == [False] * done + [True] * (100 - done)


def test_what_comes_after_a_body_that_is_too_large_is_answered(service: Service) -> None:
    large, *others = answered(
        limited(service, max_batch_bytes=60_000, max_answer_bytes=40_000), {"instances": [LIST] * 400}, *[LIST] * 3
    )
    assert (large["code"], large["type"]) == (413, "TooLarge")
    assert others == answered(service, *[LIST] * 3)


def test_bodies_take_turns(service: Service) -> None:
    first, second = answered(limited(service, max_batch_bytes=1000), *[{"instances": [LIST] * 100}] * 2)
    done = budget.CLOCK_INTERVAL // 2
    for body in (first, second):
        assert refused(body["predictions"]) == [False] * done + [True] * (100 - done)


@pytest.mark.parametrize(
    ("heavy", "most"),
    [
        ({"user_id": 11, "explain": True}, 4),
        ({"user_id": 11, "candidates": [1] * 5000}, 4),
        ({"user_id": 11, "diversity": 0.5}, 8),
        (LIST, 64),
    ],
)
def test_the_clock_is_looked_at_more_often_where_questions_take_longer(
    service: Service, monkeypatch: pytest.MonkeyPatch, heavy: dict[str, Any], most: int
) -> None:
    sizes = []
    real = service._run
    monkeypatch.setattr(service, "_run", lambda jobs: [sizes.append(len(jobs)), real(jobs)])
    answered(service, {"instances": [heavy] * 100})
    assert max(sizes) == most
    assert sum(sizes) == 100


def test_a_request_that_is_refused_alone_has_the_status(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(seconds))
    (answer,) = limited(service, max_batch_seconds=0).answer([json.dumps(LIST).encode()])
    assert (answer.code, answer.phrase) == (503, "Overloaded")


def test_metrics_count_what_was_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service = limited(service, max_batch_bytes=1000)
    answered(service, {"instances": [LIST] * 100})
    assert (metrics.ERRORS, "503") in service.tally.take()


def test_fresh_ratings_of_a_user_with_many_stored_ones_take_long() -> None:
    """They are folded in together, so the clock is looked at after each."""

    def sizes(**fields: Any) -> list[int]:
        jobs = [Job(Request(user_id=7, movie_id=1, **fields)) for _ in range(3)]
        return [len(group) for group in budget.Budget(Limits(), lambda user_id: 20_000).groups([jobs])]

    assert sizes(ratings=[GivenRating(2, 5.0)]) == [1, 1, 1]
    assert sizes() == [3]
