"""Two rankings in one list: whose each position is, and that nobody's side is favoured."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from web.interleave import interleaved, team_draft
from web.torchserve import Answer


@pytest.mark.parametrize("seed", range(20))
def test_each_team_brings_its_best_items_and_as_many_as_the_other(seed: int) -> None:
    draw = random.Random(seed)
    a, b = draw.sample(range(30), 10), draw.sample(range(30), 10)
    merged, teams = team_draft(a, b, draw)
    assert len(merged) == len(set(merged)) == len(teams) == 10
    for place, (item, team) in enumerate(zip(merged, teams)):
        own = {"a": a, "b": b}[team]
        assert item == next(one for one in own if one not in merged[:place])
        assert abs(teams[: place + 1].count("a") - teams[: place + 1].count("b")) <= 1


def test_who_clicks_at_random_prefers_neither() -> None:
    draw, first = random.Random(0), Counter()
    for _ in range(4000):
        first[team_draft([1, 2, 3], [1, 3, 2], draw)[1][0]] += 1
    assert abs(first["a"] - 2000) < 4 * 4000**0.5 / 2


def test_a_team_that_has_nothing_left_gives_way() -> None:
    merged, teams = team_draft([1], [1, 2, 3], random.Random(0))
    assert (sorted(merged), len(teams)) == ([1, 2, 3], 3)
    assert team_draft([], [], random.Random(0)) == ([], "")


def test_entries_are_those_of_the_version_that_they_came_from() -> None:
    a, b = (
        Answer(200, json.dumps({"recommendations": [{"movie_id": m, "score": s} for m in (1, 2)]}).encode(), v, 1)
        for v, s in (("1.0", 1), ("1.1", 2))
    )
    both = interleaved(a, b, random.Random(0))
    assert both.version == "1.0+1.1"
    scores = [entry["score"] for entry in both.json()["recommendations"]]
    assert scores == [1 if team == "a" else 2 for team in both.teams]
