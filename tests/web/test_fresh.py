"""What a user did changes their next list: with the handler's own answers behind the gateway."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from feedback.store import Event
from handlers.recommender.api.limits import Limits
from handlers.recommender.loading import load_service
from tests.web.conftest import transport_of
from web.fresh import with_fresh, without_names_of_fresh
from web.schema import Ask
from web.settings import Settings
from web.torchserve import Answer

USER = 11
SETTINGS = Settings(rate="99999/minute")


def event(movie: str, kind: str, rating: float | None = None) -> Event:
    return Event(str(USER), movie, kind, rating, 0, 0, "a")


def test_ratings_of_the_request_count_more_than_the_latest_event() -> None:
    events = [event("5", "rating", 1), event("6", "rating", 2), event("7", "like"), event("5", "rating", 3)]
    ask = Ask(user_id=USER, ratings=[{"movie_id": 6, "rating": 5}], k=3)
    expected = [{"movie_id": 6, "rating": 5.0}, {"movie_id": "5", "rating": 3.0}]
    assert json.loads(with_fresh(ask, events, is_rated=True).json_body()) == {
        "user_id": USER,
        "ratings": expected,
        "k": 3,
    }


def test_likes_and_purchases_are_likes_where_there_are_no_ratings() -> None:
    events = [event("5", "like"), event("6", "click"), event("7", "purchase")]
    body = json.loads(with_fresh(Ask(user_id="u-1"), events, is_rated=False).json_body())
    assert body["ratings"] == [{"movie_id": "5"}, {"movie_id": "7"}]


def test_a_request_that_events_add_nothing_to_stays_as_it_is() -> None:
    ask = Ask(user_id=USER, k=3)
    assert with_fresh(ask, [event("5", "click")], is_rated=True) is ask
    assert with_fresh(ask, [], is_rated=False) is ask


def test_only_what_the_request_named_is_named_as_unknown() -> None:
    unknown = ["user_id", "ratings[0].movie_id", "ratings[1].movie_id"]
    answer = Answer(200, json.dumps({"score": 3.5, "unknown": unknown}).encode(), "1.0", 0.1)
    assert without_names_of_fresh(answer, 1).json()["unknown"] == unknown[:2]
    only_fresh = dataclasses.replace(answer, body=json.dumps({"score": 3.5, "unknown": unknown[1:]}).encode())
    assert without_names_of_fresh(only_fresh, 0).json() == {"score": 3.5}


@pytest.fixture(scope="module")
def ratings(build: Path) -> httpx.MockTransport:
    """In TorchServe's place: the handler's own answers, of a model of ratings."""
    return transport_of(load_service(build / "fm", Limits()))


Post = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture
def post(running: Any, ratings: httpx.MockTransport) -> Iterator[Post]:
    """Posts to a gateway with an empty store."""
    with running(SETTINGS, ratings) as address, httpx.Client(base_url=address, timeout=20) as client:

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
    with running(dataclasses.replace(SETTINGS, events_used=0), ratings) as address:
        ask = {"user_id": USER, "k": 5}
        before = httpx.post(f"{address}/api/predictions/fm", json=ask).json()
        movie = before["recommendations"][0]["movie_id"]
        rated = {"user_id": USER, "movie_id": movie, "type": "rating", "rating": 1}
        assert httpx.post(f"{address}/api/feedback", json={"events": [rated]}).status_code == 200
        assert httpx.post(f"{address}/api/predictions/fm", json=ask).json() == before
