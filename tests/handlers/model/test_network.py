"""A network of torch.export answers as the scripted one; a broken file is refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from archives.contents import NETWORKS
from handlers.recommender.loading import load_service
from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.network import EXPORTED, METHODS, SCRIPTED, load_network, network_file
from tests.conftest import MODELS

CPU = torch.device("cpu")


def test_what_packs_and_what_loads_agree_on_the_names() -> None:
    assert set(NETWORKS.values()) == {SCRIPTED, EXPORTED}


@pytest.mark.parametrize("model", MODELS)
def test_all_pairs_of_100_users(model: str, services, exported_build: Path) -> None:
    loaded = services[model].model
    users, movies = loaded.arrays["user_encodings"][:100], loaded.arrays["item_encodings"]
    exported = load_network(exported_build / model / f"{model}{EXPORTED}", CPU)
    expected = loaded.network.score_all(users, movies)
    torch.testing.assert_close(exported.score_all(users, movies), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_answer(model: str, services, exported_build: Path) -> None:
    service = load_service(exported_build / model)
    assert service.shortcut.__self__.scorer.kernel is not None
    loaded = services[model].model
    user, movie = loaded.users.ids[5], loaded.movies.ids[7]
    given = [{"movie_id": loaded.movies.ids[row], "rating": 5 - row % 4} for row in range(1, 9)]
    requests: list[dict[str, Any]] = [
        {"user_id": user, "movie_id": movie},
        {"user_id": "nobody", "movie_id": movie},
        {"user_id": user, "k": 5, "explain": True},
        {"ratings": given, "k": 5},
        {"ratings": given, "movie_id": movie},
        {"user_id": user, "ratings": given, "movie_id": movie},
        {"movie_id": movie, "k": 5},
    ]
    if model != "mf":
        requests += [
            {"user": {"gender": "F"}, "movie_id": movie},
            {"user_id": user, "movie": {"genres": ["Drama"]}},
            {"movie": {"genres": ["Drama"]}, "k": 5},
        ]
    bodies = [json.dumps(one).encode() for one in requests]
    for request, answer, expected in zip(requests, service.answer(bodies), services[model].answer(bodies)):
        assert answer.code == expected.code == 200, (request, answer.body, expected.body)
        assert_alike(json.loads(answer.body), json.loads(expected.body))


def assert_alike(found: Any, expected: Any) -> None:
    """Equal, but for the last digits of numbers."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_alike(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            assert_alike(one, other)
    else:
        assert found == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected)


class TestFiles:
    @pytest.fixture
    def path(self, exported_build: Path, tmp_path: Path) -> Path:
        path = tmp_path / "fm.pt2"
        path.write_bytes((exported_build / "fm/fm.pt2").read_bytes())
        return path

    def refused(self, path: Path) -> None:
        with pytest.raises(ArchiveError, match=f"{path.name} cannot be read"):
            load_network(path, CPU)

    def test_truncated_missing_and_other_bytes(self, path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        self.refused(path)
        path.write_bytes(b"not a network")
        self.refused(path)
        path.unlink()
        self.refused(path)

    @pytest.mark.parametrize("name", METHODS)
    def test_without_a_program_or_with_a_broken_one(self, name: str, path: Path) -> None:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as packed:
            programs = {one: packed.read(one) for one in packed.namelist()}
        for broken in ({}, {f"{name}.pt2": programs[f"{name}.pt2"][:1000]}):
            with zipfile.ZipFile(path, "w") as packed:
                for one, data in (programs | broken).items():
                    if one != f"{name}.pt2" or broken:
                        packed.writestr(one, data)
            self.refused(path)

    def test_the_scripted_network_comes_first(self, tmp_path: Path) -> None:
        assert network_file(tmp_path, "fm").name == "fm.pt"
        (tmp_path / "fm.pt2").touch()
        assert network_file(tmp_path, "fm").name == "fm.pt2"
        (tmp_path / "fm.pt").touch()
        assert network_file(tmp_path, "fm").name == "fm.pt"
