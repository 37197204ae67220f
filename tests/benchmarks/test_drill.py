"""The drill: what is counted on a day, and what its page shows of it."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks import drill, drill_page
from training.metrics.ranking import ndcg


def test_scores_and_lists_are_added_up() -> None:
    numbers = drill.Numbers()
    numbers.add([4.0, 2.0], [5.0, 2.5], [7, 8, 9], {8, 1})
    numbers.add([3.0], [3.0], [7], set())  # nothing was liked: the list says nothing
    found = numbers.metrics()
    hits = np.array([[False, True, *[False] * 8]])
    assert found == {
        "squares": 1.25, "scores": 3, "ndcg": pytest.approx(ndcg(hits, np.array([2]))[0]), "lists": 1, "hits": 1,
        "possible": 2,
    }  # fmt: skip
    assert drill.Numbers().metrics()["lists"] == 0


def test_a_rating_that_is_sent_mixed_up_and_mended_is_three_events() -> None:
    rows = pd.DataFrame({"user_id": [1], "movie_id": [2], "rating": [4.0], "timestamp": [100]})
    sent = [event for later in (0, 1, 2) for event in drill.rated(rows, later)]
    assert len({event["key"] for event in sent}) == 3
    assert [event["timestamp"] for event in sent] == [100, 101, 102]


@pytest.fixture
def results() -> dict:
    def earned(squares: float, gain: float) -> dict:
        return {"squares": squares, "scores": 4, "ndcg": gain, "lists": 2, "hits": 3, "possible": 12}

    def day(number: int, outcome: str, failed: int = 0) -> dict:
        ways = zip(drill_page.WAYS, ((4, 1.0), (9, 0.5), (16, 0.0)), strict=True)
        return {
            "day": number, "ratings": 1234, "users": 5, "version": f"1.{number}", "outcome": outcome, "why": "",
            "earned": {way: earned(*numbers) for way, numbers in ways}, "requests": 1000, "failed": failed, "again": 1,
        }  # fmt: skip

    return {"days": [day(1, ""), day(2, "rolled out"), day(3, "refused"), day(4, "rolled back", failed=2)]}


def test_the_tables_show_what_was_measured(results: dict) -> None:
    assert "| 3 | 1 | 1 | 1 | 0 | 4,000 | 2 | 4 |" in drill_page.drill_runs(results)
    quality = drill_page.drill_quality(results)
    assert "| autopilot | 1.0000 | 0.5000 | 0.2500 |" in quality
    assert "| never retrained | 2.0000 | 0.0000 | 0.2500 |" in quality
    days = drill_page.drill_days(results)
    assert "| 1 | 1,234 | 5 | 1.1 | - | 1.000 | 2.000 | 0.500 | 0.000 | 1,000 | 0 |" in days
    assert "| 4 | 1,234 | 5 | 1.4 | rolled back |" in days
    assert math.isnan(drill_page.rmse([], "never"))


def test_the_figure_is_the_same_for_the_same_results(results: dict, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(drill_page, "FIGURE", tmp_path / "automation.svg")
    drill_page.draw(results)
    first = drill_page.FIGURE.read_bytes()
    drill_page.draw(results)
    assert b"<svg" in first
    assert drill_page.FIGURE.read_bytes() == first
