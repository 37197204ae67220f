from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.recommender.api.answers import Answer
from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from tests import ray_serve
from tests.conftest import MODELS, Client

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # ts/version.py leaves a file open
    import ts  # noqa: F401


HOSTS = {"torchserve": "server", "asgi": "asgi_server"} | ({"ray": "ray_server"} if ray_serve.IS_INSTALLED else {})


@pytest.fixture(scope="session", params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    """Each server that the contract holds for."""
    return request.param


@pytest.fixture(scope="session")
def client(host: str, request: pytest.FixtureRequest) -> Client:
    """A client of each server in turn."""
    return Client(request.getfixturevalue(HOSTS[host]))


@pytest.fixture(scope="session")
def services(build: Path) -> dict[str, Service]:
    """The service of each model, in this process."""
    return {model: load_service(build / model) for model in MODELS}


@pytest.fixture(scope="session")
def of_likes(likes_build: Path) -> Service:
    """The service of a model of likes: string ids, features of movies alone."""
    return load_service(likes_build / "fm")


@pytest.fixture(scope="session")
def answer(services: dict[str, Service]) -> Callable[[str, list[Any]], list[Answer]]:
    """The answers of one model to a batch of JSON requests."""

    def ask(model: str, requests: list[Any]) -> list[Answer]:
        return services[model].answer([json.dumps(one).encode() for one in requests])

    return ask
