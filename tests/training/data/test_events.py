"""Events of the gateway's store join the log as rows."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feedback import blocks
from feedback.store import Event, Store
from training.data import DataError, RatingsLog
from training.data.events import with_events
from training.data.log import EventsUsed, Weighing
from training.data.weights import weighed


@pytest.fixture(params=["one block", "blocks of two"], autouse=True)
def divided(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the events are divided, the log is the same."""
    if request.param != "one block":
        monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path}/events.db")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/events.db"


def event(user: str, movie: str, rating: float | None, time: int, kind: str = "rating") -> Event:
    return Event(user, movie, kind, rating, time, time, f"{user} {movie} {rating} {time} {kind}")


def log_of(rows: list[tuple], columns: tuple[str, ...] = ("user_id", "movie_id", "rating", "timestamp")) -> RatingsLog:
    table = pd.DataFrame(rows, columns=list(columns))
    return RatingsLog("small", table.astype({"rating": "float32"} if "rating" in columns else {}))


ROWS = [(1, 10, 5, 100), (1, 20, 1, 100), (2, 10, 4, 300)]


def test_events_are_rows_and_of_a_pair_the_later_row_stays(store: Store, url: str) -> None:
    later, earlier, same_time = event("1", "10", 2, 200), event("2", "10", 1, 299), event("1", "20", 3, 100)
    fresh = [event("3", "30", 4.5, 400), event("3", "30", 1.5, 350), event("-7", "10", 3, 400)]
    others = [event("1", "40", None, 400, "click"), event("1", "50", None, 400, "like")]
    store.add_events([[fresh[0], later, earlier, same_time, *others, *fresh[1:]]])
    log = with_events(log_of(ROWS), url)
    expected = {(2, 10, 4, 300), (1, 10, 2, 200), (1, 20, 3, 100), (3, 30, 4.5, 400), (-7, 10, 3, 400)}
    assert set(log.ratings.itertuples(index=False, name=None)) == expected
    assert log.ratings["timestamp"].tolist()[1:] == [100, 200, 400, 400]
    before = {(1, 10, 100), (1, 20, 100), (2, 10, 299), (3, 30, 350)}
    assert set(log.earlier.itertuples(index=False, name=None)) == before
    assert log.events == EventsUsed(count=6, last_id=8)
    assert log.sha256 != log_of(ROWS).sha256


def test_where_the_log_has_no_times_every_event_is_later(store: Store, url: str) -> None:
    store.add_events([[event("1", "10", 2, 9), event("1", "10", 3, 5)]])
    log = with_events(log_of([row[:3] for row in ROWS], ("user_id", "movie_id", "rating")), url)
    assert log.ratings.values.tolist() == [[1, 20, 1], [2, 10, 4], [1, 10, 2]]


@pytest.mark.parametrize("are_categories", [False, True])
def test_likes_and_purchases_join_a_log_of_likes(are_categories: bool, store: Store, url: str) -> None:
    given = [event("b", "y", None, 1, "purchase"), event("é", "x", None, 2, "like"), event("c", "z", None, 3, "click")]
    store.add_events([[*given, event("a", "x", None, 4, "like"), event("9", "x", None, 5, "like")]])
    log = log_of([("a", "x"), ("b", "x")], ("user_id", "movie_id"))
    if are_categories:  # as the columns of a large file are
        log = dataclasses.replace(log, ratings=log.ratings.astype("category"))
    joined = with_events(log, url)
    pairs = joined.ratings[["user_id", "movie_id"]].astype("str").values.tolist()
    assert pairs == [["b", "x"], ["b", "y"], ["é", "x"], ["a", "x"], ["9", "x"]]
    assert joined.ratings["weight"].tolist() == [1, 1, 1, 2, 1]
    assert (joined.ratings["user_id"].dtype == "category") == are_categories


@pytest.mark.parametrize("half_life", [None, 2.0])
def test_events_of_all_types_join_a_log_whose_rows_have_types(half_life: float | None, store: Store, url: str) -> None:
    """The log with its events is the log of all rows together."""
    day = 86_400
    rows = [("a", "x", 0, "purchase"), ("a", "y", day, "click"), ("a", "x", 2 * day, "click")]
    later = [("a", "x", 5 * day, "click"), ("b", "y", 4 * day, "purchase"), ("a", "z", day, "like")]
    store.add_events([[event(user, movie, None, time, kind) for user, movie, time, kind in later]])
    store.add_events([[event("a", "x", 5.0, 3 * day)]])
    by = Weighing({"click": 1.0, "purchase": 5.0, "like": 0.0}, half_life)
    columns = ("user_id", "movie_id", "timestamp", "event")

    def log_of_events(events: list[tuple]) -> RatingsLog:
        rows, others = weighed(pd.DataFrame(events, columns=list(columns)), by, "shop")
        return RatingsLog("shop", rows, weighing=by, earlier=others)

    joined, expected = with_events(log_of_events(rows), url), log_of_events(rows + later)
    of_pairs = [table.ratings.set_index(["user_id", "movie_id"]).sort_index() for table in (joined, expected)]
    pd.testing.assert_frame_equal(*of_pairs, rtol=1e-5)
    others = [sorted(log.earlier.itertuples(index=False, name=None)) for log in (joined, expected)]
    assert others[0] == others[1] == [("a", "x", 0), ("a", "x", 2 * day)]
    assert joined.events == EventsUsed(count=2, last_id=2)


def test_a_person_who_was_forgotten_is_not_in_the_next_log(store: Store, url: str) -> None:
    store.add_events([[event("1", "30", 2, 200), event("8", "30", 3, 200)]])
    assert 8 in with_events(log_of(ROWS), url).ratings["user_id"].tolist()
    store.forget("8")
    assert 8 not in with_events(log_of(ROWS), url).ratings["user_id"].tolist()


def test_a_store_without_ratings_adds_nothing(store: Store, url: str) -> None:
    store.add_events([[event("1", "10", None, 200, "click")]])
    log = log_of(ROWS)
    assert with_events(log, url) is log
    assert log.events is None


WRONG = {
    "a user": (event("anna", "10", 3, 5), r"event 2, column 'user_id': 'anna' is not an integer"),
    "a movie": (event("1", "m-1", 3, 5), r"event 2, column 'movie_id': 'm-1' is not an integer"),
    "a long id": (event("1", "1" * 19, 3, 5), r"column 'movie_id': '1{19}' is not an integer"),
    "a rating": (event("1", "10", 7, 5), r"column 'rating': 7.0 is no rating of the log's scale. .* from 1 to 5\."),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_the_log_is_named(case: str, store: Store, url: str) -> None:
    wrong, said = WRONG[case]
    store.add_events([[event("1", "10", 3, 5), wrong]])
    with pytest.raises(DataError, match=said):
        with_events(log_of(ROWS), url)


def test_ratings_of_one_digit_are_on_a_scale_of_single_precision(store: Store, url: str) -> None:
    store.add_events([[event("1", "10", 0.1, 500), event("1", "20", 0.9, 500)]])
    log = with_events(log_of([(1, 10, 0.9, 1), (1, 20, 0.1, 1)]), url)
    assert log.ratings["rating"].tolist() == np.float32([0.1, 0.9]).tolist()


UNREADABLE = {
    "sqlite:////no/such.db": "^sqlite:////no/such.db: .* there is no such file",
    "postgresql://u:secret@127.0.0.1:1/x": r"^postgresql://u:\*\*\*@127.0.0.1:1/x: .*refused",
    "mysql://u:secret@h/x": "^--events begins with mysql: give sqlite:",
    "events.db": "^--events is no URL: give sqlite:",
}


@pytest.mark.parametrize("given", UNREADABLE)
def test_a_store_that_cannot_be_read_is_named_without_its_password(given: str) -> None:
    with pytest.raises(DataError, match=UNREADABLE[given]) as raised:
        with_events(log_of(ROWS), given)
    assert "secret" not in str(raised.value)


def test_the_store_of_another_log_is_suspected(store: Store, url: str, caplog: pytest.LogCaptureFixture) -> None:
    store.add_events([[event("1", "77", 3, 500)]])
    with caplog.at_level(logging.WARNING):
        with_events(log_of(ROWS), url)
    assert "no movie of its events is in small" in caplog.text
