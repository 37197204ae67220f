"""An archive that was packed before the package had rooms is verified and served as it is: it brings its own code."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from archives.alone import ask
from serving.management import Management
from serving.server import Server
from serving.versions import Versions
from tests.archives.packing import verify
from tests.conftest import Client

PACKED = Path(__file__).parent / "packed_before" / "fm-0.9.mar"

# Each kind of request, about users and movies of the archive's own log.
REQUESTS = {
    "score": {"user_id": 11, "movie_id": 103},
    "recommendations": {"user_id": 11, "k": 3, "explain": True},
    "similar": {"movie_id": 103, "k": 3},
    "history": {"user_id": 11, "history": True},
    "catalogue": {"catalogue": True, "k": 3},
}


@pytest.fixture(scope="module")
def served(server: Server) -> Iterator[str]:
    """Version 0.9, served beside the version of today."""
    shutil.copyfile(PACKED, server.store / PACKED.name)
    versions = Versions(server, "fm")
    versions.register_and_wait("0.9")
    yield "0.9"
    versions.unregister("0.9")
    (server.store / PACKED.name).unlink()


def test_it_is_accepted(tmp_path: Path) -> None:
    packed = Path(shutil.copy(PACKED, tmp_path / PACKED.name))
    assert len(verify(packed, "fm", "0.9", None)) == 64


def test_it_answers_in_a_process_of_its_own(tmp_path: Path) -> None:
    shutil.unpack_archive(PACKED, tmp_path, format="zip")
    answers = ask(tmp_path, list(REQUESTS.values()))
    assert [set(REQUESTS) & answer.keys() for answer in answers] == [{name} for name in REQUESTS]


def test_a_server_answers_from_it_beside_the_version_of_today(client: Client, server: Server, served: str) -> None:
    for name, request in REQUESTS.items():
        response = client.post(f"fm/{served}", request)
        assert response.status_code == 200, response.text
        assert response.headers["X-Model-Version"] == served
        assert response.json()[name]
    assert Management(server.management).about("fm", served)["model"] == "fm"
    assert client.post("fm", REQUESTS["score"]).headers["X-Model-Version"] == "1.0"
