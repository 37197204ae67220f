"""A limit on the events of one user."""

from __future__ import annotations

import time

import pytest

from tests.feedback.conftest import event
from web.limit import UserLimit
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
