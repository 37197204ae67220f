"""Somebody who gives a name: who they are, what is known of them, and what a deletion leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from feedback.store import Store
from tests.web.conftest import asking
from web.problems import InvalidRequest
from web.settings import Settings
from web.visitors import user_of

SETTINGS = Settings(models=("fm", "mf"))


def test_a_name_is_no_user_of_a_log_whatever_its_ids_are() -> None:
    assert user_of(" Anna  Maria ", "string") == "visitor:anna maria"
    numbers = {user_of(name, "integer") for name in ("196", "anna", "ANNA", " anna", "anna maria", "\uff41nna")}
    assert len(numbers) == 3
    assert all(-(2**53) < number < 0 for number in numbers)
    assert user_of("anna", None) == user_of("anna", "integer")
    with pytest.raises(InvalidRequest, match="name is empty"):
        user_of(" \t", "string")


@pytest.fixture(scope="module")
def stand_in(make_stand_in: Any) -> Any:
    stand_in = make_stand_in(30)
    card = stand_in.card() | {"ids": {"user_id": "integer", "movie_id": "integer"}}
    stand_in.card = lambda: card
    return stand_in


@pytest.fixture
def client(running: Any, stand_in: Any, tmp_path: Path) -> Iterator[httpx.Client]:
    settings = dataclasses.replace(SETTINGS, events_url=f"sqlite:///{tmp_path}/events.db")
    with running(settings, httpx.MockTransport(stand_in)) as address, asking(address) as client:
        yield client


def known(client: httpx.Client, name: str = "Anna") -> dict[str, Any]:
    return client.post("/api/visitors", json={"name": name}).json()


def rate(client: httpx.Client, user: int, *movies: int) -> None:
    events = [
        {"user_id": user, "movie_id": movie, "type": "rating", "rating": 4, "timestamp": movie} for movie in movies
    ]
    assert client.post("/api/feedback", json={"events": events}).json()["stored"] == len(movies)


def test_a_visitor_finds_what_they_did(client: httpx.Client) -> None:
    somebody = known(client)
    archives = [
        {"model": model, "version": "1.0", "ratings": 1, "problem": ""} for model in SETTINGS.models
    ]  # the stand-in's
    assert somebody == {"user_id": user_of("anna", "integer"), "events": [], "impressions": 0, "archives": archives}
    rate(client, somebody["user_id"], 7, 5)
    rate(client, known(client, "Berta")["user_id"], 9)
    assert known(client, "anna ")["events"] == [
        {"movie_id": movie, "type": "rating", "rating": 4, "timestamp": movie} for movie in (5, 7)
    ]


def test_a_deletion_takes_everything_of_one_visitor_and_nothing_of_others(
    client: httpx.Client, stand_in: Any, tmp_path: Path
) -> None:
    user, other = known(client)["user_id"], known(client, "Berta")["user_id"]
    for somebody in (user, other):
        rate(client, somebody, 5, 7)
        client.post("/api/predictions/fm", json={"user_id": somebody, "k": 3})
    deleted = client.post("/api/visitors/forget", json={"name": "Anna"}).json()  # a list waits to be stored
    assert (deleted["events"], deleted["impressions"], len(deleted["archives"])) == (2, 1, 2)
    store = Store(f"sqlite:///{tmp_path}/events.db")
    assert store.known(str(user), 9) == ([], 0)
    events, impressions = store.known(str(other), 9)
    assert (len(events), impressions) == (2, 1)
    store.close()


def test_what_was_said_about_one_movie_is_deleted_alone(client: httpx.Client) -> None:
    user = known(client)["user_id"]
    rate(client, user, 5, 7)
    assert client.post("/api/visitors/forget", json={"name": "Anna", "movie_id": "5"}).json()["events"] == 1
    assert [event["movie_id"] for event in known(client)["events"]] == [7]


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": " "}, {"name": "x" * 61}, {"name": 5}, {"user_id": 5}])
def test_names_that_are_none_are_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    for path in ("", "/forget"):
        answer = client.post(f"/api/visitors{path}", json=body)
        assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequest")


def test_a_store_that_is_down_says_so(running: Any, stand_in: Any, tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where the folder should be")
    settings = dataclasses.replace(SETTINGS, events_url=f"sqlite:///{tmp_path}/events/events.db")
    with running(settings, httpx.MockTransport(stand_in)) as address, asking(address) as client:
        for path in ("", "/forget"):
            answer = client.post(f"/api/visitors{path}", json={"name": "Anna"})
            assert (answer.status_code, answer.json()["type"]) == (503, "StoreDown")


def test_an_archive_that_does_not_answer_is_named(client: httpx.Client, stand_in: Any) -> None:
    known(client)
    stand_in.failures = [httpx.Response(404, json={"type": "ModelNotFoundException"})] * 2
    problems = [one["problem"] for one in known(client)["archives"]]
    assert all("has no model" in problem for problem in problems)
