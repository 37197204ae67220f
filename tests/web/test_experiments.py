"""While an experiment runs, a user's requests go to their version, and its lists are marked."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from feedback.experiments import Experiment, start, stop
from feedback.store import Store
from tests.web.conftest import PATIENCE, asking
from web import experiments
from web.settings import Settings


class Versions:
    """In TorchServe's place: says which version was asked; the default is 1.0."""

    def __init__(self) -> None:
        self.there = {"1.0", "1.1"}
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        version = (request.url.path.split("/")[3:] or ["1.0"])[0]
        if version not in self.there:
            return httpx.Response(404, json={"code": 404, "type": "ModelVersionNotFoundException", "message": "none"})
        body = {"recommendations": [{"movie_id": 50, "score": 4.0}]} if request.content else {"scale": [1, 5]}
        return httpx.Response(200, json=body, headers={"X-Model-Version": version})


class Rig:
    """A gateway, the server behind it, and its store."""

    def __init__(self, address: str, server: Versions, file: Path) -> None:
        self.client, self.server, self.file = asking(address), server, file
        self.store = Store(f"sqlite:///{file}")

    def run(self, **changed: Any) -> Experiment:
        now = int(time.time())
        return start(self.store, Experiment("fm", "1.0", "1.1", 0.5, "s", "click", 3, 60, 0.1, now)._replace(**changed))

    def version(self, model: str = "fm", **ask: Any) -> str:
        """Which version answers."""
        answer = self.client.post(f"/api/predictions/{model}", json=ask)
        assert answer.status_code == 200, answer.text
        return answer.headers["X-Model-Version"]

    def shown(self, count: int) -> list[tuple[Any, ...]]:
        """The lists that were stored, as soon as there are so many."""
        until = time.monotonic() + PATIENCE
        while True:
            with sqlite3.connect(self.file) as connection:
                rows = connection.execute("SELECT user_id, version, experiment FROM impressions ORDER BY id").fetchall()
            connection.close()
            if len(rows) == count or time.monotonic() > until:
                return rows
            time.sleep(0.05)


@pytest.fixture
def rig(running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(experiments, "EVERY", 0.0)  # each request sees what has begun or ended before it
    server, file = Versions(), tmp_path / "events.db"
    with running(Settings(events_url=f"sqlite:///{file}"), httpx.MockTransport(server)) as address:
        rig = Rig(address, server, file)
        yield rig
        rig.client.close()
        rig.store.close()


def of_each(experiment: Experiment) -> tuple[int, int]:
    """A user who gets A, and one who gets B."""
    versions = {experiment.version_of(str(user)): user for user in range(30)}
    return versions["1.0"], versions["1.1"]


def test_an_experiment_begins_and_ends_without_a_restart(rig: Rig) -> None:
    of_a, of_b = of_each(Experiment("fm", "1.0", "1.1", 0.5, "s", "click", 3, 60, 0.1, 0))
    assert [rig.version(user_id=user) for user in (of_a, of_b)] == ["1.0", "1.0"]
    one = rig.run()
    assert [rig.version(user_id=user) for user in (of_a, of_b, str(of_b))] == ["1.0", "1.1", "1.1"]
    stop(rig.store, "fm", int(time.time()))
    assert rig.version(user_id=of_b) == "1.0"
    before, after = [(str(of_a), "1.0", None), (str(of_b), "1.0", None)], [(str(of_b), "1.0", None)]
    during = [(str(of_a), "1.0", one.id), *[(str(of_b), "1.1", one.id)] * 2]
    assert rig.shown(6) == before + during + after


def test_every_kind_of_request_of_a_user_goes_to_their_version(rig: Rig) -> None:
    _, of_b = of_each(rig.run())
    for ask in ({"movie_id": 50}, {"history": True}, {"k": 3, "explain": True}):
        assert rig.version(user_id=of_b, **ask) == "1.1"


def test_whoever_has_no_id_and_other_models_take_no_part(rig: Rig) -> None:
    rig.run(share=0.99, a="1.1", b="1.0")  # the default is not A here
    assert rig.version(movie_id=50) == "1.1"
    assert rig.version(ratings=[{"movie_id": 50, "rating": 5}]) == "1.1"
    assert rig.version("mf", user_id=1) == "1.0"
    assert rig.shown(3)[0][1:] == ("1.1", None)
    assert all(experiment is None for _, _, experiment in rig.shown(3))


def test_a_version_that_is_gone_costs_no_answer_and_its_lists_are_not_counted(rig: Rig) -> None:
    one = rig.run()
    of_a, of_b = of_each(one)
    rig.server.there.remove("1.1")
    assert [rig.version(user_id=user) for user in (of_a, of_b)] == ["1.0", "1.0"]
    assert rig.shown(2) == [(str(of_a), "1.0", one.id), (str(of_b), "1.0", None)]


def test_users_of_the_share_get_lists_of_both_versions_and_no_others_do(rig: Rig) -> None:
    one = rig.run(interleave=True)
    users = range(30)
    inside, outside = (next(user for user in users if one.interleaves(str(user)) == given) for given in (True, False))
    assert [rig.version(user_id=user) for user in (inside, outside)] == ["1.0+1.1", "1.0"]
    assert rig.version(user_id=inside, movie_id=50) == rig.version(user_id=inside, history=True) == "1.0"
    assert rig.shown(2) == [(str(inside), "1.0+1.1", one.id), (str(outside), "1.0", None)]
    with sqlite3.connect(rig.file) as connection:
        teams = [team for (team,) in connection.execute("SELECT teams FROM impressions ORDER BY id")]
    connection.close()
    assert teams[0] in ("a", "b")
    assert teams[1] is None
    rig.server.there.remove("1.1")
    assert rig.version(user_id=inside) == "1.0"
    assert rig.shown(3)[2] == (str(inside), "1.0", None)


def test_a_model_that_is_gone_is_said_to_be(rig: Rig) -> None:
    rig.run()
    rig.server.there.clear()
    answer = rig.client.post("/api/predictions/fm", json={"user_id": 1})
    assert (answer.status_code, answer.json()["type"]) == (404, "ModelNotRegistered")


def test_users_keep_their_version_while_the_store_is_down(rig: Rig) -> None:
    _, of_b = of_each(rig.run())
    assert rig.version(user_id=of_b) == "1.1"
    rig.store.run(lambda connection: connection.exec_driver_sql("ALTER TABLE experiments RENAME TO gone"))
    assert rig.version(user_id=of_b) == "1.1"


def test_requests_that_come_together_read_the_store_once() -> None:
    class Reader:
        reads = 0

        async def experiments(self) -> dict[str, Experiment]:
            self.reads += 1
            await asyncio.sleep(0.02)
            return {"fm": Experiment("fm", "1.0", "1.1", 0.5, "s", "click", 3, 60, 0.1, 0)}

    async def main() -> list[Any]:
        known = experiments.Running(reader)  # type: ignore[arg-type]
        return await asyncio.gather(*(known.of(model) for model in ("fm", "fm", "mf")))

    reader = Reader()
    found = asyncio.run(main())
    assert [one and one.model for one in found] == ["fm", "fm", None]
    assert reader.reads == 1
