"""Data that cannot teach or measure what is asked for is an error or a warning, which stands beside the metrics."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import train_small
from training.checks import check, few_lists, unmeasured
from training.config import Settings
from training.data import DataError, RatingsLog, generate
from training.report import write

RATING, LIKE = Settings(), Settings(target="like")


def rated(ratings: list[float], users: list[int] | None = None, movies: list[int] | None = None) -> RatingsLog:
    count = len(ratings)
    table = {
        "user_id": users or [1 + place % 2 for place in range(count)],
        "movie_id": movies or [1 + place // 2 for place in range(count)],
        "rating": np.array(ratings, np.float32),
    }
    return RatingsLog("mine", pd.DataFrame(table))


LIKES = RatingsLog("mine", pd.DataFrame({"user_id": [1, 1, 2], "movie_id": [1, 2, 1]}))


@pytest.mark.parametrize(
    ("log", "settings", "message"),
    [
        (rated([4, 7, 10, 9]), LIKE, r"every rating is above --like-above 3 \(they are from 4 to 10\).*from 4 up to"),
        (rated([1, 2, 3, 2]), LIKE, r"no rating is above --like-above 3 \(they are from 1 to 3\)"),
        (rated([1, 1, 1, 1]), RATING, r"all 4 ratings are 1, .*--target like"),
        (rated([5, 5, 5, 5]), LIKE, r"all 4 ratings are 5"),
        (LIKES, RATING, r"mine: has no ratings to train on\. Use --target like"),
    ],
)
def test_nothing_to_learn_is_an_error(log: RatingsLog, settings: Settings, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check(log, settings)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (rated([4, 7, 10, 9]), "every rating is above --like-above 3 .*nothing about likes is measured"),
        (rated([1, 5, 2, 4], users=[1, 1, 1, 1], movies=[1, 2, 3, 4]), "no movie was rated by more than one user"),
        (rated([1, 5, 2, 4], users=[1, 2, 3, 4], movies=[1, 1, 1, 1]), "no user has rated more than one movie"),
    ],
)
def test_something_to_learn_is_a_warning(log: RatingsLog, message: str) -> None:
    (warned,) = check(log, RATING)
    assert re.search(message, warned)


def test_an_ordinary_log_has_no_warning() -> None:
    log = generate(users=30, movies=20, ratings=200).log
    assert check(log, RATING) == check(log, LIKE) == check(LIKES, LIKE) == []
    assert check(rated([1, 3, 4, 3]), Settings(target="like", like_above=3)) == []


def test_test_rows_without_ratings_measure_no_ratings() -> None:
    test = pd.DataFrame({"user_id": [9], "movie_id": [9]})
    with pytest.raises(DataError, match="test rows have no column 'rating'"):
        check(rated([1, 5, 2, 4]), RATING, test)
    assert check(rated([1, 5, 2, 4]), LIKE, test) == []


def test_a_missing_metric_is_said() -> None:
    cold = {"cold_users": {"rows": 0}}
    whole = {"rows": 3, "auc": 0.5, "ndcg@10": 0.1} | cold
    assert unmeasured({"validation": {}, "test": whole}) == []
    assert unmeasured({"validation": {"rows": 3, "ndcg@10": 0.1}, "test": whole}) == []  # measures lists alone
    assert unmeasured({"validation": whole, "test": {"rows": 3} | cold}) == [
        "test: nothing about likes is measured, as all of its rows are likes, or none is",
        "test: nothing about lists is measured, as no row is of a user with training rows and an item of the log",
    ]


def test_lists_of_a_minority_are_a_warning() -> None:
    test = {"rows": 9, "list_users": 109, "cold_users": {"rows": 5, "users": 192}}
    (warned,) = few_lists({"test": test})
    assert "109 users" in warned
    assert "192 have no training row" in warned
    assert few_lists({"test": test | {"list_users": 192}}) == few_lists({"test": {}}) == []


def test_warnings_stand_in_the_metrics_and_the_report(tmp_path: Path, caplog) -> None:
    log = generate(seed=2, users=30, movies=20, ratings=300).log
    above = dataclasses.replace(log, ratings=log.ratings.assign(rating=log.ratings["rating"] + np.float32(3)))
    build = train_small("mf", above, tmp_path, method="adam", epochs=2, batch_size=16)
    metrics = json.loads((build / "mf/metrics.json").read_text())
    likes, validation, test, epochs = metrics["warnings"]
    assert "nothing about likes is measured" in likes
    assert validation.startswith("validation: nothing about likes")
    assert test.startswith("test: nothing about likes")
    assert "still fell in the last of 2 epochs" in epochs
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warned == metrics["warnings"]  # progress of a slow machine is beside them
    page = write("mf", build, tmp_path / "reports").read_text()
    assert "still fell in the last of 2 epochs" in page
    assert page.index('id="warnings"') < page.index('id="metrics"')
