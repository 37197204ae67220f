"""What rows of a log of likes weigh: repeats, types of events, time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.data import DataError, load, prepared, read_pairs
from training.data.log import Weighing
from training.data.weights import EVENT_WEIGHTS, LEAST, weighed, weighing

DAY = 86_400


def write(folder: Path, rows: list[tuple], *columns: str) -> Path:
    path = folder / "log.csv"
    pd.DataFrame(rows, columns=["user_id", "movie_id", *columns]).to_csv(path, index=False)
    return path


def weights(path: Path, **given) -> dict[tuple, float]:
    """Pairs and their weights, in the order of the log."""
    ratings = load(ratings=path, by=weighing(**given)).ratings
    return {row[:2]: row[-1] for row in ratings.itertuples(index=False, name=None)}


def test_repeats_are_counted_and_the_latest_row_stays(tmp_path: Path) -> None:
    path = write(tmp_path, [("a", "x", 9), ("a", "y", 5), ("a", "x", 7), ("b", "x", 5), ("a", "x", 8)], "timestamp")
    ratings = load(ratings=path).ratings
    assert ratings.to_dict("list") == {
        "user_id": ["a", "a", "b"], "movie_id": ["x", "y", "x"], "timestamp": [9, 5, 5], "weight": [3, 1, 1],
    }  # fmt: skip
    assert ratings["weight"].dtype == "float32"


def test_without_repeats_a_log_has_no_weights(tmp_path: Path) -> None:
    assert list(load(ratings=write(tmp_path, [("a", "x"), ("a", "y")])).ratings) == ["user_id", "movie_id"]


@pytest.mark.parametrize("column", ["event", "type"])
def test_weights_are_the_sum_over_rows_of_weight_type_and_age(column: str, tmp_path: Path) -> None:
    """Beside the sum row by row."""
    rng = np.random.default_rng(0)
    kinds = ["click", "purchase", "wish"]
    rows = [
        (f"u{user}", f"m{movie}", int(time), kinds[kind], float(weight))
        for user, movie, time, kind, weight in zip(
            rng.integers(0, 8, 300), rng.integers(0, 8, 300), rng.integers(0, 90 * DAY, 300),
            rng.integers(0, 3, 300), rng.uniform(0.1, 4, 300), strict=True,
        )
    ]  # fmt: skip
    of_types = EVENT_WEIGHTS | {"purchase": 5, "wish": 0}
    end = max(row[2] for row in rows if row[3] != "wish")
    expected: dict[tuple, float] = {}
    for user, movie, time, kind, weight in rows:
        if kind != "wish":
            counts = weight * of_types[kind] * 0.5 ** ((end - time) / (30 * DAY))
            expected[user, movie] = expected.get((user, movie), 0) + counts
    path = write(tmp_path, rows, "timestamp", column, "weight")
    assert weights(path, events="purchase=5,wish=0", half_life=30) == pytest.approx(expected, rel=1e-5)


def test_types_weigh_what_is_usual_where_nothing_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, [("a", "x", "view"), ("a", "x", "purchase"), ("a", "y", "cart")], "event")
    assert weights(path) == pytest.approx({("a", "x"): 1.2, ("a", "y"): 0.6})


def test_the_oldest_like_still_counts(tmp_path: Path) -> None:
    path = write(tmp_path, [("a", "x", 0), ("a", "y", 10_000 * DAY)], "timestamp")
    assert weights(path, half_life=1) == pytest.approx({("a", "x"): LEAST, ("a", "y"): 1})


def test_a_large_file_has_the_same_weights(tmp_path: Path, monkeypatch) -> None:
    rows = [(f"u{row % 7}", f"m{row % 5}", ("click", "purchase")[row % 2], 1 + row % 3) for row in range(200)]
    path = write(tmp_path, rows, "type", "weight")
    expected = load(ratings=path).ratings
    monkeypatch.setattr(prepared, "LARGE", 0)
    found = load(ratings=path, folder=tmp_path).ratings
    pd.testing.assert_frame_equal(found.astype(expected.dtypes), expected)


WRONG = {
    "zero": (["weight"], [(1,), (0,)], r"log\.csv, column 'weight', row 2: '0' is not above 0 and finite"),
    "below zero": (["weight"], [(-2,)], r"column 'weight', row 1: '-2' is not above 0 and finite"),
    "infinite": (["weight"], [(1,), (1,), ("inf",)], r"column 'weight', row 3: 'inf' is not above 0"),
    "no number": (["weight"], [("nan",)], r"column 'weight', row 1: 'nan' is not a number"),
    "too small": (["weight"], [("1e-60",)], r"column 'weight', row 1: '1e-60' is not above 0"),
    "no type": (["event"], [("click",), ("",)], r"column 'event', row 2: '' is no type of event"),
    "unknown type": (["type"], [("click",), ("swipe",)],
                     r"column 'event', row 2: 'swipe' is an event without a weight.*--event-weights.*Known: view, cl"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_weight_that_cannot_be_is_named_with_its_row(case: str, tmp_path: Path) -> None:
    columns, values, said = WRONG[case]
    path = write(tmp_path, [("a", f"x{row}", *value) for row, value in enumerate(values)], *columns)
    with pytest.raises(DataError, match=said):
        load(ratings=path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"events": "purchase"}, "--event-weights has 'purchase'. Write purchase=5,click=1"),
        ({"events": "purchase=5,click=-1"}, "--event-weights has 'click=-1'"),
        ({"events": "purchase=inf"}, "--event-weights has 'purchase=inf'"),
        ({"events": "=3"}, "--event-weights has '=3'"),
        ({"half_life": 0}, "--half-life-days is 0. Give a number above 0"),
        ({"half_life": float("nan")}, "--half-life-days is nan"),
    ],
)
def test_an_option_that_cannot_be_says_so(given: dict, said: str) -> None:
    with pytest.raises(DataError, match=said):
        weighing(**given)


def test_decay_needs_timestamps_and_events_that_count(tmp_path: Path) -> None:
    path = write(tmp_path, [("a", "x", "click")], "event")
    with pytest.raises(DataError, match=r"log\.csv: has no timestamps, so that nothing decays"):
        load(ratings=path, by=weighing(half_life=3))
    with pytest.raises(DataError, match=r"log\.csv: all of its events have the weight 0"):
        load(ratings=path, by=weighing("click=0"))


def test_ratings_have_no_weights(tmp_path: Path) -> None:
    path = write(tmp_path, [("a", "x", 4, -1, "anything"), ("a", "y", 3, 0, "")], "rating", "weight", "type")
    assert list(load(ratings=path).ratings) == ["user_id", "movie_id", "rating"]
    for log in ({"ratings": path}, {"data": "ml-100k"}):
        with pytest.raises(DataError, match="has ratings, and weights of events and their decay are for likes"):
            load(**log, by=weighing(half_life=3))


def test_rows_to_measure_on_are_rows_as_they_are(tmp_path: Path) -> None:
    log = load(ratings=write(tmp_path, [("a", "x", "click"), ("b", "x", "click")], "event"))
    other = tmp_path / "test.csv"
    pd.DataFrame({"user_id": ["b"], "movie_id": ["y"], "event": ["swipe"]}).to_csv(other, index=False)
    assert list(read_pairs(other, log)) == ["user_id", "movie_id"]


def test_nothing_to_weigh_is_the_same_table() -> None:
    table = pd.DataFrame({"user_id": [1, 2], "movie_id": [1, 1]})
    assert weighed(table, Weighing(), "log")[0] is table
