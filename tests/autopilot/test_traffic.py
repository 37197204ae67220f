"""Counts of answers, and when they show harm."""

from __future__ import annotations

import pytest

from autopilot.traffic import Count, Traffic, harm, parse, plus, since

# As TorchServe writes them (with types and a comma at the end), and as our own server does.
TORCHSERVE = """
# HELP Requests2XX Torchserve prometheus counter metric with unit: Count
# TYPE Requests2XX counter
Requests2XX{Level="Host",Hostname="a",} 90.0
# TYPE Requests4XX counter
Requests4XX{Level="Host",Hostname="a",} 6.0
# TYPE Requests5XX counter
Requests5XX{Level="Host",Hostname="a",} 4.0
# TYPE RecommenderRequests counter
RecommenderRequests{ModelName="fm",ModelVersion="1.1",Level="Model",Hostname="a",} 50.0
RecommenderRequests{ModelName="fm",ModelVersion="1.0",Level="Model",Hostname="a",} 49.0
RecommenderRequests{ModelName="mf",ModelVersion="1.1",Level="Model",Hostname="a",} 48.0
# TYPE RecommenderErrors counter
RecommenderErrors{Code="500",ModelName="fm",ModelVersion="1.1",Level="Model",Hostname="a",} 2.0
RecommenderErrors{Code="503",ModelName="fm",ModelVersion="1.1",Level="Model",Hostname="a",} 1.0
RecommenderErrors{Code="400",ModelName="fm",ModelVersion="1.1",Level="Model",Hostname="a",} 30.0
RecommenderErrors{Code="500",ModelName="fm",ModelVersion="1.0",Level="Model",Hostname="a",} 9.0
"""
OURS = "\n".join(line.replace("counter", "untyped").replace(",}", "}") for line in TORCHSERVE.splitlines())


@pytest.mark.parametrize("text", [TORCHSERVE, OURS], ids=["torchserve", "ours"])
def test_failures_of_ours_are_counted_by_version_and_for_the_server(text: str) -> None:
    assert parse(text + "\n", "fm", "1.1") == Traffic(Count(3, 50), Count(4, 100))
    assert parse(text + "\n", "fm", "1.2") == Traffic(Count(0, 0), Count(4, 100))


def test_counts_that_begin_again_are_added() -> None:
    last, now = Traffic(Count(1, 10), Count(2, 20)), Traffic(Count(3, 15), Count(1, 5))
    assert since(last, now) == Traffic(Count(2, 5), Count(1, 5)), "the server's count fell: it was started again"
    assert plus(last, now) == Traffic(Count(4, 25), Count(3, 25))


@pytest.mark.parametrize(
    ("before", "new", "found"),
    [
        (Count(0, 1000), Count(0, 1000), False),
        (Count(0, 1000), Count(4, 4), False),  # too few to say anything
        (Count(0, 1000), Count(5, 5), True),
        (Count(0, 1000), Count(10, 1000), False),  # as many as are allowed
        (Count(0, 1000), Count(11, 1000), True),
        (Count(50, 1000), Count(59, 1000), False),  # hardly more than before
        (Count(50, 1000), Count(61, 1000), True),
        (Count(0, 0), Count(11, 1000), True),
    ],
)
@pytest.mark.parametrize("place", [0, 1], ids=["handler", "server"])
def test_more_failures_than_before_are_harm(before: Count, new: Count, found: bool, place: int) -> None:
    none = Count(0, 1000)
    one, other = ((count, none) if place == 0 else (none, count) for count in (before, new))
    assert bool([*harm(Traffic(*one), Traffic(*other), 0.01)]) == found


def test_harm_is_said_with_its_numbers() -> None:
    (why,) = harm(Traffic(Count(1, 1000), Count()), Traffic(Count(30, 1000), Count()), 0.01)
    assert why == "30 of 1,000 of its handler's answers failed (3.00%; before the rollout 0.10%)"
