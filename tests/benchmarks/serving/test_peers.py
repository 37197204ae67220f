"""What the serving benchmark drives beside ours: the same scores, whichever way they are found."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from benchmarks.serving import report, servers
from benchmarks.serving.load import check, sample_load
from benchmarks.serving.peers.network import SCORERS, scorer
from benchmarks.serving.servers import PEER


@pytest.mark.parametrize("name", SCORERS)
def test_a_peer_answers_as_ours_does(name: str, build: Path) -> None:
    with servers.fastapi(build / PEER, 1, name) as url:
        check(url, sample_load(PEER, build, "pairs"))
        stranger = requests.post(url, json={"user_id": 0, "movie_id": 0}, timeout=30)
    assert 0 < stranger.json()["score"] < 1


def test_the_kernel_asks_nothing_of_the_network(build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD", str(build / PEER))
    monkeypatch.setenv("SCORER", "kernel")
    peer = scorer()
    users, movies = peer.model.users.ids[1:3], peer.model.movies.ids[1:3]
    before = peer.scores(users, movies)
    peer.model.network = None
    assert peer.scores(users, movies) == before


def test_the_summary_says_what_the_servers_alone_are_worth() -> None:
    rates = {
        "TorchServe as it comes": 10,
        "ours, `throughput`": 120,
        "a no-op handler behind `throughput`": 120,
        "FastAPI, 2 workers": 20,
        "Mosec, batch 64, wait 2 ms": 100,
        "FastAPI, 2 workers, our encodings and kernel": 40,
        "Mosec, batch 64, wait 2 ms, our encodings and kernel": 150,
        "ours, without TorchServe": 300,
    }
    found = {"pairs": {name: {"64": {"requests_per_second": rate}} for name, rate in rates.items()}}
    said = report.summary(found)
    assert "6.0 times as many as FastAPI, 1.20 times as many as Mosec" in said
    assert (
        "our encodings and kernel, ours answers 3.0 times as many as FastAPI\nand 0.80 times as many as Mosec" in said
    )
    assert "without TorchServe, answers 2.00\ntimes as many as that Mosec" in said
