"""What one batch may take: small requests are answered, the rest of a large one is refused in its place."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest

from handlers.recommender import budget
from handlers.recommender.jobs import Limits
from handlers.recommender.recommender import Recommender

LIST = {"user_id": 11, "k": 5}


@pytest.fixture
def flow(recommenders: dict[str, Recommender]) -> Recommender:
    flow = recommenders["fm"]
    return Recommender(flow.archive, Limits(), flow.device)


def limited(flow: Recommender, **limits: Any) -> Recommender:
    return Recommender(flow.archive, msgspec.structs.replace(Limits(), **limits), flow.device)


def answered(flow: Recommender, *requests: Any) -> list[Any]:
    return [json.loads(one.body) for one in flow.answer([{"body": json.dumps(one).encode()} for one in requests])]


def refused(predictions: list[Any]) -> list[bool]:
    return ["error" in one for one in predictions]


def test_what_is_left_when_the_time_is_over_is_refused_and_small_requests_come_first(
    flow: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone,) = answered(flow, LIST)
    seconds = itertools.count()
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(seconds))  # a second at each look at the clock
    large, small = answered(limited(flow, max_batch_seconds=2), {"instances": [LIST] * 200}, LIST)
    assert small == alone
    done = 2 * budget.JOBS_AT_A_TIME - 1
    assert refused(large["predictions"]) == [False] * done + [True] * (200 - done)
    assert large["predictions"][0] == alone
    error = large["predictions"][-1]["error"]
    assert (error["code"], error["type"]) == (503, "Overloaded")
    assert "2 s" in error["message"]
    assert "ask again, for fewer" in error["message"]


def test_what_is_left_when_the_bytes_are_spent_is_refused(flow: Recommender) -> None:
    large, small = answered(limited(flow, max_batch_bytes=1000), {"instances": [LIST] * 100}, LIST)
    assert small == answered(flow, LIST)[0]
    done = budget.JOBS_AT_A_TIME - 1
    assert refused(large["predictions"]) == [False] * done + [True] * (100 - done)


def test_a_request_that_is_refused_alone_has_the_status(flow: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(seconds))
    (answer,) = limited(flow, max_batch_seconds=0).answer([{"body": json.dumps(LIST).encode()}])
    assert (answer.code, answer.phrase) == (503, "Overloaded")


def test_metrics_count_what_was_refused(flow: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = limited(flow, max_batch_bytes=1000)
    answered(flow, {"instances": [LIST] * 100})
    assert ("RecommenderErrors", "503") in {(one[0], one[1]) for one in flow.tally.take()}
