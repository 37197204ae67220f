"""A log that has grown, and versions trained before it did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archives.pack import archive
from tests.conftest import train_small
from tests.training.comparison.growth import THEN, USERS, of_users, then
from training.comparison.running import Running, opened
from training.data import RatingsLog, generate


@pytest.fixture(scope="session")
def whole() -> RatingsLog:
    return generate(seed=5, users=USERS, movies=120, ratings=12_000).log


@pytest.fixture(scope="session")
def before(whole: RatingsLog) -> RatingsLog:
    return of_users(whole, then(whole), range(THEN))


def archived(model: str, log: RatingsLog, folder: Path) -> Path:
    """Version 1.0 of a model of a log."""
    return archive(model, "1.0", train_small(model, log, folder), folder)


@pytest.fixture(scope="session")
def mf(before: RatingsLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived("mf", before, tmp_path_factory.mktemp("mf"))


@pytest.fixture(scope="session")
def deepfm(before: RatingsLog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archived("deepfm", before, tmp_path_factory.mktemp("deepfm"))


@pytest.fixture
def running(mf: Path) -> Iterator[Running]:
    with opened(mf) as unpacked:
        yield unpacked
