"""Stores of both kinds: a file, and a PostgreSQL server of Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from feedback.store import Event, Store
from serving.ports import free_ports

NOW = 1_700_000_000


def event(user: str, key: str, movie: str = "50", timestamp: int = NOW, rating: float | None = 4.0) -> Event:
    return Event(user, movie, "like" if rating is None else "rating", rating, timestamp, NOW, key)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a server that was started for the tests. Skipped where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL: apt-get install postgresql")
    binaries = found[-1].parent
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # initdb refuses root
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    if as_user:
        shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")

    data = str(folder / "data")
    run(str(binaries / "initdb"), "--auth=trust", "--username=postgres", "--encoding=UTF8", data)
    settings = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    run(str(binaries / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
    yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    run(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/of/events.db"
    server = request.getfixturevalue("postgresql")
    engine = create_engine(server.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()
