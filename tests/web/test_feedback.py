"""``POST /api/feedback``, and what is kept of lists: before a stand-in for TorchServe, on a real store."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text

from feedback.store import Store
from tests.web.conftest import PATIENCE, asking
from web.settings import Settings

EVENT = {"user_id": 196, "movie_id": 50, "type": "rating", "rating": 4, "key": "a"}
SETTINGS = Settings()


@dataclasses.dataclass
class Running:
    """A gateway with its store, and the stand-in for TorchServe behind it."""

    client: httpx.Client
    store: Store
    url: str
    stand_in: Any

    def send(self, *events: dict[str, Any]) -> httpx.Response:
        return self.client.post("/api/feedback", json={"events": list(events)})

    def impressions(self, count: int) -> list[tuple[Any, ...]]:
        """The lists that were stored, once there are so many."""
        engine = create_engine(self.url)
        until = time.monotonic() + PATIENCE
        rows: list[Any] = []
        while len(rows) < count and time.monotonic() < until:
            time.sleep(0.05)
            with engine.connect() as connection:
                query = "SELECT user_id, movie_id, model, version, movies FROM impressions ORDER BY id"
                rows = connection.execute(text(query)).all() if self._has_tables(connection) else []
        engine.dispose()
        return [(*row[:-1], json.loads(row[-1])) for row in rows]

    @staticmethod
    def _has_tables(connection: Any) -> bool:
        return bool(connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'impressions'")).all())


@pytest.fixture(scope="module")
def gateway_with_store(running: Any, make_stand_in: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    url = f"sqlite:///{tmp_path_factory.mktemp('events')}/events.db"
    stand_in, store = make_stand_in(30), Store(url)
    card = stand_in.card() | {"ids": {"user_id": "integer", "movie_id": "integer"}}
    stand_in.card = lambda: card
    settings = dataclasses.replace(SETTINGS, events_url=url)
    transport = httpx.MockTransport(stand_in)
    with running(settings, transport) as address, asking(address) as client:
        yield Running(client, store, url, stand_in)
    store.close()


@pytest.fixture
def gateway(gateway_with_store: Running) -> Running:
    for user in ("196", "197"):
        gateway_with_store.store.forget(user)
    return gateway_with_store


def test_events_are_stored_and_their_repetition_is_not(gateway: Running) -> None:
    like = {"user_id": "196", "movie_id": "51", "type": "like", "timestamp": 1_700_000_000}
    answer = gateway.send(EVENT, like)
    assert (answer.status_code, answer.json()) == (200, {"stored": 2, "repeated": 0})
    assert gateway.send(EVENT, EVENT | {"user_id": 197}).json() == {"stored": 1, "repeated": 1}
    liked, rated = gateway.store.events_of("196")
    assert (liked.movie_id, liked.type, liked.rating, liked.timestamp) == ("51", "like", None, 1_700_000_000)
    assert (rated.movie_id, rated.rating, rated.key) == ("50", 4.0, "a")
    assert abs(rated.timestamp - time.time()) < 60


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"type": "buy"}, 'events[1].type is "buy": Input should be'),
    "no type": ({"type": None}, "events[1].type is null"),
    "no user": ({"user_id": None}, "events[1].user_id"),
    "a number with a fraction": ({"user_id": 1.5}, "events[1].user_id"),
    "an id of the other type": ({"user_id": "anna"}, "events[1].user_id is “anna”: ids are integers"),
    "no integer": ({"movie_id": "--5"}, "events[1].movie_id is “--5”: ids are integers"),
    "19 digits": ({"user_id": 10**18}, "events[1].user_id is 1000000000000000000: ids have at most 18 digits"),
    "a huge id": ({"movie_id": 10**30}, "events[1].movie_id"),
    "a NUL": ({"key": "a\x00b"}, "events[1].key"),
    "half a character": ({"key": "\ud800"}, "events[1].key"),
    "a long key": ({"key": "x" * 201}, "events[1].key"),
    "no rating": ({"rating": None}, "events[1].rating is null"),
    "a rating of 6": ({"rating": 6}, "events[1].rating is 6: give a number from 1 to 5"),
    "a rating in words": ({"rating": "4"}, 'events[1].rating is "4"'),
    "a like with a rating": ({"type": "like"}, "events[1].rating is 4: an event of the type like has none"),
    "milliseconds": ({"timestamp": 1_700_000_000_000}, "events[1].timestamp is 1700000000000, which is in the future"),
    "tomorrow": ({"timestamp": int(time.time()) + 90_000}, "which is in the future"),
    "before time": ({"timestamp": -1}, "events[1].timestamp is -1"),
    "a time in words": ({"timestamp": "now"}, 'events[1].timestamp is "now": give whole seconds since 1970'),
    "another field": ({"stars": 4}, "events[1].stars is 4"),
    "a field that is no text": ({"\ud800": 4}, 'events[1] is "?"'),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_and_nothing_is_stored(gateway: Running, case: str) -> None:
    change, named = WRONG[case]
    body = json.dumps({"events": [EVENT, EVENT | {"key": "b"} | change]})
    answer = gateway.client.post("/api/feedback", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequest")
    assert named in answer.json()["message"]
    assert gateway.store.events_of("196") == []


@pytest.mark.parametrize("body", [{}, [], {"events": []}, {"events": {}}, {"events": [1]}, {"events": [EVENT], "x": 1}])
def test_other_bodies_are_refused(gateway: Running, body: Any) -> None:
    assert gateway.client.post("/api/feedback", json=body).status_code == 400


def test_a_body_that_is_missing_is_named(gateway: Running) -> None:
    assert gateway.client.post("/api/feedback").json()["message"] == "The body is missing: give it."


def test_a_rating_that_is_missing_is_named(gateway: Running) -> None:
    answer = gateway.send({"user_id": 196, "movie_id": 50, "type": "rating"})
    assert "events[0].rating is missing: give a number from 1 to 5" in answer.json()["message"]


def test_bodies_that_are_too_large_are_refused(gateway: Running) -> None:
    small = {"user_id": 1, "movie_id": 2, "type": "click"}
    answer = gateway.send(*[small] * 501)
    assert (answer.status_code, answer.json()["type"]) == (413, "TooLarge")
    assert "events has 501 entries: send at most 500" in answer.json()["message"]
    assert gateway.client.post("/api/feedback", content=b'{"events": [' + b" " * 10_000_000).status_code == 413


def test_a_user_may_not_send_a_million_events(running: Any, make_stand_in: Any) -> None:
    click = {"user_id": 196, "movie_id": 50, "type": "click"}
    settings = dataclasses.replace(SETTINGS, events_rate="20/hour")
    with running(settings, httpx.MockTransport(make_stand_in(3))) as address, asking(address) as client:

        def send(*events: dict[str, Any]) -> httpx.Response:
            return client.post("/api/feedback", json={"events": events})

        assert [send(*[click] * 8).status_code for _ in range(4)] == [200, 200, 429, 429]
        answer = send(click | {"user_id": 197}, *[click] * 8)
        assert "events[1].user_id is 196: more than 20 events of this user in 1 hour" in answer.json()["message"]
        assert send(*[click | {"user_id": 197}] * 20).json() == {"stored": 20, "repeated": 0}


def test_a_model_of_likes_takes_no_ratings(running: Any, of_likes: httpx.MockTransport) -> None:
    given = {"user_id": "u-1", "movie_id": "m-1", "type": "like"}
    with running(SETTINGS, of_likes) as address, asking(address) as client:

        def said(event: dict[str, Any]) -> str:
            return client.post("/api/feedback", json={"events": [event]}).text

        assert "send the type like" in said(given | {"type": "rating", "rating": 4})
        assert "events[0].user_id is the number 5: ids are texts here" in said(given | {"user_id": 5})
        assert '"stored":1' in said(given)


def test_a_store_that_is_down_stops_feedback_and_nothing_else(running: Any, make_stand_in: Any, tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where the folder should be")
    settings = dataclasses.replace(SETTINGS, events_url=f"sqlite:///{tmp_path}/events/events.db", events_rate="2/hour")
    with running(settings, httpx.MockTransport(make_stand_in(9))) as address, asking(address) as client:
        for _ in range(3):
            answer = client.post("/api/feedback", json={"events": [EVENT]})
            assert (answer.status_code, answer.json()["type"], answer.headers["Retry-After"]) == (503, "StoreDown", "1")
            listed = client.post("/api/predictions/fm", json={"user_id": 196, "k": 3})
            assert len(listed.json()["recommendations"]) == 3
        (tmp_path / "events").unlink()
        until = time.monotonic() + PATIENCE
        while answer.status_code == 503 and time.monotonic() < until:  # the store is not asked again at once
            answer = client.post("/api/feedback", json={"events": [EVENT]})
        assert answer.json() == {"stored": 1, "repeated": 0}


def test_events_wait_for_the_first_description_of_a_model(running: Any, make_stand_in: Any) -> None:
    stand_in = make_stand_in(3)
    stand_in.failures = [httpx.ConnectError("refused")] * 9
    settings = dataclasses.replace(SETTINGS, fresh=0)
    with running(settings, httpx.MockTransport(stand_in)) as address, asking(address) as client:

        def send() -> httpx.Response:
            return client.post("/api/feedback", json={"events": [EVENT]})

        answer = send()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        stand_in.failures = []
        assert send().json()["stored"] == 1
        stand_in.failures = [httpx.ConnectError("refused")] * 99
        assert send().json()["repeated"] == 1


def test_each_list_is_an_impression_and_nothing_else_is(gateway: Running) -> None:
    engine = create_engine(gateway.url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM impressions"))
    engine.dispose()
    for ask in (
        {"user_id": 196, "history": True},
        {"user_id": 196, "k": 3},
        {"user_id": 196, "ratings": [{"movie_id": 1, "rating": 5}], "explain": True},
        {"ratings": [{"movie_id": 1, "rating": 5}]},
        {"movie_id": 7, "k": 3},
    ):
        assert gateway.client.post("/api/predictions/fm", json=ask).status_code == 200
    assert gateway.client.post("/api/predictions/mf", json={"user_id": "196"}).status_code == 200
    assert gateway.impressions(5) == [
        ("196", None, "fm", "1.0", [1, 2, 3]),
        ("196", None, "fm", "1.0", [1, 2, 3]),
        (None, None, "fm", "1.0", [1, 2, 3]),
        (None, "7", "fm", "1.0", [1, 2, 3]),
        ("196", None, "mf", "1.0", [1, 2, 3]),
    ]
