"""One rule of what is asked again, for all that ask TorchServe: the client, the comparison of versions, the gateway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from client.recommender_client import ASK_AGAIN, Recommender, RecommenderError
from serving import compare
from web import torchserve as gateway
from web.problems import Problem
from web.settings import Settings

ROOT = Path(__file__).parents[2]
STATUSES = [400, 404, 413, 429, 500, 501, 502, 503, 504, 507]


def by_the_client(url: str) -> None:
    with Recommender(url, "fm", longest_wait=0.01) as client:
        client.score(user_id=1, movie_id=2)


def by_the_comparison(url: str) -> None:
    with compare.session() as session:
        session.get_adapter(url).max_retries.backoff_factor = 0
        session.post(f"{url}/predictions/fm", json={}, timeout=10)


async def by_the_gateway(url: str) -> None:
    torchserve = gateway.TorchServe(Settings(torchserve_url=url))
    try:
        await torchserve.ask("fm", b"{}")
    finally:
        await torchserve.close()


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("ask", [by_the_client, by_the_comparison, by_the_gateway])
def test_the_same_statuses_are_asked_again_by_all(misbehaving, ask: Callable, status: int) -> None:
    server = misbehaving((status, b'{"code": 0, "type": "Whatever", "message": "whatever"}'))
    try:
        pending = ask(server.url)
        if pending:
            asyncio.run(pending)
    except (RecommenderError, Problem):
        pass
    assert (len(server.bodies) > 1) == (status in ASK_AGAIN), f"asked {len(server.bodies)} times"


def test_they_are_listed_once_more_where_a_copy_is_needed_and_nowhere_else() -> None:
    assert set(ASK_AGAIN) == set(compare.ASK_AGAIN) == gateway.ASK_AGAIN
    section = (ROOT / "docs/operations.md").read_text().split("## What clients should do")[1].split("##")[0]
    assert set(map(int, re.findall(r"\b[45]\d\d\b", section))) == set(ASK_AGAIN)
