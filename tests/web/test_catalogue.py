"""The catalogues that the gateway keeps."""

from __future__ import annotations

from typing import Any

import httpx

from tests.web.conftest import asking
from web.settings import Settings


def test_the_catalogue_is_whole_and_is_fetched_once(running: Any, stand_in: Any) -> None:
    with running(Settings(fresh=3600), httpx.MockTransport(stand_in)) as address, asking(address) as client:
        first = client.get("/api/movies/fm")
        assert first.json()["movies"] == stand_in.movies
        asked = len(stand_in.asked)
        again = client.get("/api/movies/fm", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304
        assert len(stand_in.asked) == asked


def test_titles_are_found_while_torchserve_is_away(gateway: httpx.Client, stand_in: Any) -> None:
    gateway.get("/api/movies/fm")
    stand_in.failures = [httpx.ConnectError("refused")] * 99
    assert gateway.get("/api/search/fm?q=film 77").json()["movies"][0]["title"] == "Film 77"


def test_a_new_archive_brings_a_new_catalogue(gateway: httpx.Client, stand_in: Any) -> None:
    assert len(gateway.get("/api/movies/mf").json()["movies"]) == 1500
    whole = stand_in.movies
    stand_in.sha256, stand_in.movies = "second", whole[:3]
    assert len(gateway.get("/api/movies/mf").json()["movies"]) == 3
    stand_in.sha256, stand_in.movies = "first", whole
