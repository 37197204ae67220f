from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from handlers.recommender.api.contract import Answer
from handlers.recommender.api.jobs import Limits
from handlers.recommender.api.service import Service
from handlers.recommender.model import archive
from tests.conftest import MODELS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)  # ts/version.py leaves a file open
    import ts  # noqa: F401


@pytest.fixture(scope="session")
def recommenders(build: Path) -> dict[str, Service]:
    """The handler's request flow on each archive, in this process."""
    cpu = torch.device("cpu")
    return {model: Service(archive.load(build / model, cpu), Limits(), cpu) for model in MODELS}


@pytest.fixture(scope="session")
def of_likes(likes_build: Path) -> Service:
    """The request flow on a model of likes: string ids, features of movies alone."""
    cpu = torch.device("cpu")
    return Service(archive.load(likes_build / "fm", cpu), Limits(), cpu)


@pytest.fixture(scope="session")
def answer(recommenders: dict[str, Service]) -> Callable[[str, list[Any]], list[Answer]]:
    """The answers of one model to a batch of JSON requests."""

    def ask(model: str, requests: list[Any]) -> list[Answer]:
        return recommenders[model].answer([{"body": json.dumps(one).encode()} for one in requests])

    return ask
