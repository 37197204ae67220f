"""Versions side by side, each with its own data and its own code; and a log whose ids are strings."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from archives import pack as archive_module
from archives.pack import archive
from serving.management import Management
from serving.server import Server
from serving.versions import Versions
from tests.conftest import MODELS, Client, train_small
from tests.ray_serve import MANAGED
from training.data import RatingsLog, generate


@pytest.fixture(scope="session", params=MANAGED)
def host(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def host_server(client: Client) -> Server:
    return client.server


@pytest.fixture
def management(host_server: Server) -> Management:
    return Management(host_server.management)


@pytest.fixture(scope="module")
def strings() -> RatingsLog:
    return generate(seed=3, users=60, movies=50, ratings=1500, string_ids=True).log


@pytest.fixture(scope="module")
def string_version(host_server: Server, strings: RatingsLog, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Version 2.0 of all three models, of another log with string ids, served beside 1.0."""
    folder = tmp_path_factory.mktemp("strings")
    versions = {model: Versions(host_server, model) for model in MODELS}
    for model, here in versions.items():
        train_small(model, strings, folder, sweeps=20)
        archive(model, "2.0", folder / "build", host_server.store)
        assert here.register_and_wait("2.0")
        assert not here.register_and_wait("2.0"), "the same version again is there already"
    yield "2.0"
    for model, here in versions.items():
        here.unregister("2.0")
        (host_server.store / f"{model}-2.0.mar").unlink()


@pytest.mark.parametrize("model", MODELS)
def test_string_ids_answer_in_kind(client: Client, model: str, strings: RatingsLog, string_version: str) -> None:
    user, movie = strings.ratings["user_id"].iloc[0], strings.ratings["movie_id"].iloc[0]
    assert user.startswith("u-")
    versioned = f"{model}/{string_version}"
    response = client.post(versioned, {"user_id": user, "movie_id": movie})
    assert response.headers["X-Model-Version"] == "2.0"
    assert response.json()["user_id"] == user
    assert response.json()["movie_id"] == movie
    entries = client.ask(versioned, {"user_id": user, "k": 5})["recommendations"]
    assert all(entry["movie_id"].startswith("m-") for entry in entries)
    assert client.ask(versioned, {"movie_id": movie, "k": 5})["similar"]
    given = {"ratings": [{"movie_id": movie, "rating": 5}], "k": 5}
    assert movie not in [entry["movie_id"] for entry in client.ask(versioned, given)["recommendations"]]
    assert client.ask(versioned, {"user_id": 196, "movie_id": movie})["unknown"] == ["user_id"]
    assert client.ask(versioned, {"user_id": 196, "movie_id": movie})["user_id"] == "196"


def test_the_default_can_be_changed_and_every_version_answers_by_its_number(
    client: Client, management: Management, planted, strings: RatingsLog, string_version: str
) -> None:
    first = int(planted.log.ratings["user_id"].iloc[0])
    second = strings.ratings["user_id"].iloc[0]
    response = requests.put(f"{management.address}/models/deepfm/2.0/set-default", timeout=30)
    assert response.status_code == 200
    try:
        default = client.post("deepfm", {"user_id": second, "k": 1})
        assert default.headers["X-Model-Version"] == "2.0"
        assert "unknown" not in default.json()
        older = client.post("deepfm/1.0", {"user_id": first, "k": 1})
        assert older.headers["X-Model-Version"] == "1.0"
        assert "unknown" not in older.json()
    finally:
        management.set_default("deepfm", "1.0")
    assert client.post("deepfm", {"user_id": first, "k": 1}).headers["X-Model-Version"] == "1.0"


def test_versions_whose_code_differs_each_run_their_own(
    client: Client, management: Management, host_server: Server, build: Path, tmp_path: Path, monkeypatch
) -> None:
    handlers = Path(shutil.copytree(archive_module.HANDLERS, tmp_path / "handlers"))
    service = handlers / "recommender/api/description.py"
    changed = service.read_text().replace('"model": metadata.model,', '"model": metadata.model, "greeting": "hello",')
    assert changed != service.read_text()
    service.write_text(changed)
    monkeypatch.setattr(archive_module, "HANDLERS", handlers)
    archive("mf", "1.1", build, host_server.store)
    versions = Versions(host_server, "mf")
    versions.register_and_wait("1.1")
    try:
        assert management.about("mf", "1.1")["greeting"] == "hello"
        assert "greeting" not in management.about("mf", "1.0")
    finally:
        versions.unregister("1.1")
        (host_server.store / "mf-1.1.mar").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_a_network_of_torch_export_answers_as_torchscript_does(
    client: Client, host_server: Server, planted, exported_build: Path, model: str
) -> None:
    versions = Versions(host_server, model)
    archive(model, "3.0", exported_build, host_server.store, network_format="export")
    versions.register_and_wait("3.0")
    try:
        users, movies = (getattr(planted.log, f"{side}s")[f"{side}_id"].tolist()[:30] for side in ("user", "movie"))
        pairs = [{"user_id": user, "movie_id": movie} for user in users for movie in movies]
        ratings = [{"movie_id": movie, "rating": 1 + movie % 5} for movie in movies[:10]]
        pairs += [{"ratings": ratings, "movie_id": movie} for movie in movies[10:]]
        ours, theirs = (
            [one["score"] for one in client.ask(f"{model}/{version}", {"instances": pairs})["predictions"]]
            for version in ("1.0", "3.0")
        )
        assert theirs == pytest.approx(ours, abs=1e-5)
    finally:
        versions.unregister("3.0")
        (host_server.store / f"{model}-3.0.mar").unlink()
