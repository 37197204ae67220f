"""Limits on events and requests."""

from __future__ import annotations

import time

import pytest
from limits import parse

from tests.feedback.conftest import event
from web.limit import UserLimit, Window
from web.problems import TooManyRequests


def test_users_are_counted_apart_and_a_refusal_counts_nobody() -> None:
    limit = UserLimit("3/hour")
    limit.take([event("1", "a"), event("2", "a"), event("1", "b")])
    with pytest.raises(TooManyRequests, match=r"events\[1\].user_id is 1: more than 3 events of this user in 1 hour"):
        limit.take([event("2", "b"), event("1", "c"), event("1", "d")])
    limit.take([event("2", "b"), event("2", "c"), event("1", "c")])
    with pytest.raises(TooManyRequests):
        limit.take([event("2", "d")])


def test_counts_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = UserLimit("1/minute")
    limit.take([event("1", "a")])
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    limit.take([event("1", "b")])
    with pytest.raises(TooManyRequests):
        limit.take([event("1", "c")])


def test_what_was_not_stored_does_not_count() -> None:
    limit = UserLimit("2/hour")
    events = [event("1", "a"), event("1", "b")]
    for _ in range(3):
        limit.take(events)
        limit.give_back(events)
    limit.take(events)
    with pytest.raises(TooManyRequests):
        limit.take(events[:1])


def test_a_count_costs_the_same_however_many_others_there_are() -> None:
    few, many = Window(parse("10/minute")), Window(parse("10/minute"))
    for number in range(100_000):
        many.take({str(number): 1})

    def seconds(window: Window) -> float:
        start = time.thread_time()
        for number in range(1000):
            window.take({f"{number}-": 1})
        return time.thread_time() - start

    assert min(seconds(many) for _ in range(9)) < 5 * min(seconds(few) for _ in range(9))
