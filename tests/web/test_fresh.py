"""What a user did changes their next list: with the handler's own answers behind the gateway."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from feedback.store import Taste
from handlers.recommender.api.limits import Limits
from handlers.recommender.loading import load_service
from tests.web.conftest import asking, transport_of
from web.fresh import MOST_EXCLUDED, wanted, with_fresh, without_names_of_fresh
from web.schema import Ask
from web.settings import Settings
from web.torchserve import Answer

USER = 11
SETTINGS = Settings()


def fresh(ask: Ask, events: list[Taste], is_rated: bool, used: int = 100) -> dict[str, Any]:
    """The body that is sent."""
    return json.loads(with_fresh(ask, events, is_rated, used).json_body())


def test_ratings_of_the_request_count_more_than_the_latest_event() -> None:
    events = [Taste("5", "rating", 1), Taste("6", "rating", 2), Taste("7", "like", None), Taste("5", "rating", 3)]
    ask = Ask(user_id=USER, ratings=[{"movie_id": 6, "rating": 5}], k=3)
    expected = [{"movie_id": 6, "rating": 5.0}, {"movie_id": "5", "rating": 3.0}]
    assert fresh(ask, events, is_rated=True) == {"user_id": USER, "ratings": expected, "k": 3}


def test_likes_and_purchases_are_likes_where_there_are_no_ratings() -> None:
    events = [Taste("5", "like", None), Taste("6", "click", None), Taste("7", "purchase", None)]
    body = fresh(Ask(user_id="u-1"), events, is_rated=False)
    assert body["ratings"] == [{"movie_id": "5"}, {"movie_id": "7"}]


def test_a_request_that_events_add_nothing_to_stays_as_it_is() -> None:
    ask = Ask(user_id=USER, k=3)
    assert with_fresh(ask, [Taste("5", "click", None)], True, 100) is ask
    assert with_fresh(ask, [], False, 100) is ask


# Movie 3 was rated again last, so it is among the latest two.
RATED = [Taste(movie, "rating", 4) for movie in "3124"] + [Taste("9", "like", None), Taste("3", "rating", 5)]


def test_what_is_beyond_the_latest_ratings_is_left_out_of_lists() -> None:
    body = fresh(Ask(user_id=USER, exclude=[8]), RATED, True, used=2)
    assert body["ratings"] == [{"movie_id": "4", "rating": 4.0}, {"movie_id": "3", "rating": 5.0}]
    assert body["exclude"] == [8, "2", "1"]
    own = {"movie_id": 2, "rating": 1}
    assert fresh(Ask(user_id=USER, ratings=[own]), RATED, True, used=2)["exclude"] == ["1"]


@pytest.mark.parametrize("more", [{"movie_id": 7}, {"exclude_seen": False}])
def test_nothing_is_left_out_of_what_is_no_list_without_the_seen(more: dict[str, Any]) -> None:
    assert "exclude" not in fresh(Ask(user_id=USER, **more), RATED, True, used=2)


def test_what_one_request_takes_along_is_bounded() -> None:
    events = [Taste(str(movie), "rating", 4) for movie in range(5000)]
    body = fresh(Ask(user_id=USER), events, True)
    assert [rating["movie_id"] for rating in body["ratings"]] == [str(movie) for movie in range(4900, 5000)]
    assert body["exclude"] == [str(movie) for movie in range(4899, 4899 - MOST_EXCLUDED, -1)]
    assert fresh(Ask(user_id=USER), events[-wanted(100) :], True) == body
    assert wanted(0) == 0


def test_no_more_is_added_than_the_archive_takes() -> None:
    ask = Ask(user_id=USER, ratings=[{"movie_id": 2, "rating": 1}], exclude=[8])
    body = json.loads(with_fresh(ask, RATED, True, 100, most=2).json_body())
    assert body["ratings"] == [{"movie_id": 2, "rating": 1.0}, {"movie_id": "3", "rating": 5.0}]
    assert body["exclude"] == [8, "4"]
    body = json.loads(with_fresh(Ask(user_id=USER), RATED, True, 100, most=0).json_body())
    assert "ratings" not in body  # the contract refuses an empty array


def test_only_what_the_request_named_is_named_as_unknown() -> None:
    unknown = ["user_id", "ratings[0].movie_id", "ratings[1].movie_id", "exclude[0]", "exclude[1]", "exclude[12]"]
    answer = Answer(200, json.dumps({"score": 3.5, "unknown": unknown}).encode(), "1.0", 0.1)
    asks = [Ask(user_id=USER, ratings=[{"movie_id": 1}], exclude=[1, 2]), Ask(user_id=USER)]
    assert without_names_of_fresh(answer, asks[0]).json()["unknown"] == [*unknown[:2], *unknown[3:5]]
    only_fresh = dataclasses.replace(answer, body=json.dumps({"score": 3.5, "unknown": unknown[1:]}).encode())
    assert without_names_of_fresh(only_fresh, asks[1]).json() == {"score": 3.5}


@pytest.fixture(scope="module")
def ratings(build: Path) -> httpx.MockTransport:
    """In TorchServe's place: the handler's own answers, of a model of ratings."""
    return transport_of(load_service(build / "fm", Limits()))


Post = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def post(running: Any, ratings: httpx.MockTransport) -> Iterator[Post]:
    """Posts to a gateway with an empty store."""
    with running(SETTINGS, ratings) as address, asking(address) as client:

        def send(path: str, body: dict[str, Any]) -> dict[str, Any]:
            return client.post(f"/api/{path}", json=body).json()

        yield send


def listed(post: Post, **ask: Any) -> list[int]:
    return [entry["movie_id"] for entry in post("predictions/fm", {"k": 100} | ask)["recommendations"]]


def test_a_rating_changes_the_next_list_and_its_score(post: Post) -> None:
    before = listed(post, user_id=USER)
    pair = {"user_id": USER, "movie_id": before[0]}
    score = post("predictions/fm", pair)["score"]
    rated = {"user_id": USER, "movie_id": before[0], "type": "rating", "rating": 1}
    assert post("feedback", {"events": [rated]}) == {"stored": 1, "repeated": 0}
    after = listed(post, user_id=USER)
    assert before[0] not in after
    assert after != before[1:]
    assert post("predictions/fm", pair)["score"] < score
    assert listed(post, user_id=13) == listed(post, user_id="13")


def test_somebody_whom_no_model_knows_gets_lists_from_their_events(post: Post) -> None:
    somebody = 987_654
    before = listed(post, user_id=somebody)
    liked = [{"user_id": somebody, "movie_id": movie, "type": "rating", "rating": 5} for movie in before[50:53]]
    post("feedback", {"events": liked})
    assert listed(post, user_id=somebody) == listed(post, ratings=[
        {"movie_id": movie, "rating": 5} for movie in before[50:53]
    ])  # fmt: skip


def test_nothing_that_was_rated_comes_again_however_much_it_is(running: Any, ratings: httpx.MockTransport) -> None:
    """Planted: somebody who has rated 60 of the 100 movies, through a gateway that sends the latest 20 as ratings."""
    settings = dataclasses.replace(SETTINGS, events_used=20)
    with running(settings, ratings) as address, asking(f"{address}/api") as client:

        def top(**ask: Any) -> dict[str, Any]:
            return client.post("/predictions/fm", json={"k": 100} | ask).json()

        movies = [entry["movie_id"] for entry in top(user_id=987_654)["recommendations"]]
        given = [
            {"user_id": 987_654, "movie_id": movie, "type": "rating", "rating": 1 + place % 5, "timestamp": place}
            for place, movie in enumerate([5555, *movies[:60]])
        ]
        client.post("/feedback", json={"events": given}).raise_for_status()
        after = top(user_id=987_654)
        assert after["unknown"] == ["user_id"]
        assert sorted(entry["movie_id"] for entry in after["recommendations"]) == sorted(movies[60:])
        latest = [{"movie_id": one["movie_id"], "rating": one["rating"]} for one in given[-20:]]
        assert after["recommendations"] == top(ratings=latest, exclude=movies[:40])["recommendations"]
        everything = top(user_id=987_654, exclude_seen=False)["recommendations"]
        assert sorted(entry["movie_id"] for entry in everything) == sorted(movies)


def test_an_archive_of_low_limits_is_asked_with_the_latest_ratings(running: Any, build: Path) -> None:
    low = transport_of(load_service(build / "fm", Limits(max_ids=20)))
    with running(SETTINGS, low) as address, asking(f"{address}/api") as client:
        ask = {"user_id": 987_654, "k": 100}
        movies = [one["movie_id"] for one in client.post("/predictions/fm", json=ask).json()["recommendations"]]
        given = [
            {"user_id": 987_654, "movie_id": movie, "type": "rating", "rating": 5, "timestamp": place}
            for place, movie in enumerate(movies[:60])
        ]
        client.post("/feedback", json={"events": given}).raise_for_status()
        after = [one["movie_id"] for one in client.post("/predictions/fm", json=ask).json()["recommendations"]]
        assert not set(after) & set(movies[20:60])


def test_an_event_about_an_unknown_movie_spoils_no_answer(post: Post) -> None:
    before = post("predictions/fm", {"user_id": USER, "k": 5})
    post("feedback", {"events": [{"user_id": USER, "movie_id": 987_654, "type": "rating", "rating": 5}]})
    assert post("predictions/fm", {"user_id": USER, "k": 5}) == before
    assert post("predictions/fm", {"user_id": USER, "k": 5, "on_unknown": "error"}) == before


def test_histories_show_what_is_in_the_archive(post: Post) -> None:
    before = post("predictions/fm", {"user_id": USER, "history": True})
    post("feedback", {"events": [{"user_id": USER, "movie_id": 103, "type": "rating", "rating": 5}]})
    assert post("predictions/fm", {"user_id": USER, "history": True}) == before


def test_events_can_be_kept_out_of_requests(running: Any, ratings: httpx.MockTransport) -> None:
    with running(dataclasses.replace(SETTINGS, events_used=0), ratings) as address, asking(address) as client:
        ask = {"user_id": USER, "k": 5}
        before = client.post("/api/predictions/fm", json=ask).json()
        movie = before["recommendations"][0]["movie_id"]
        rated = {"user_id": USER, "movie_id": movie, "type": "rating", "rating": 1}
        assert client.post("/api/feedback", json={"events": [rated]}).status_code == 200
        assert client.post("/api/predictions/fm", json=ask).json() == before
