"""URLs, and migrations: they make the tables that the code has, on both databases, and only once."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from feedback import database
from feedback.database import MIGRATIONS, URLError, engine_of, migrate, without_password
from feedback.experiments import running
from feedback.store import Store, StoreDown, Taste
from feedback.tables import TYPES, metadata
from tests.feedback.conftest import NOW, event
from web.schema import Event


def test_the_migrations_make_the_tables_of_the_code(url: str) -> None:
    engine = engine_of(url)
    migrate(engine)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_migrations_run_once_whoever_else_migrates(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT", 60)  # of a machine that runs other tests
    engines = [engine_of(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate, engines))
    migrate(engines[0])
    for engine in engines:
        engine.dispose()


def test_a_new_file_is_made_by_several_processes_at_once(tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        other.execute("BEGIN IMMEDIATE")
        store = Store(f"sqlite:///{tmp_path}/events.db")
        known = thread.submit(store.known, "196", 10)
        time.sleep(0.3)
        other.execute("ROLLBACK")
        assert known.result() == ([], 0)
        store.close()


def test_to_read_the_newest_tables_waits_for_no_writer(tmp_path: Path) -> None:
    """As a gateway that has just been started does while somebody with a million rows is forgotten."""
    url = f"sqlite:///{tmp_path}/events.db"
    store = Store(url)
    store.add_events([[event("196", "a")]])
    writer = engine_of(url)
    with writer.begin(), ThreadPoolExecutor(1) as thread:
        started = Store(url)
        events, _ = thread.submit(started.known, "196", 10).result()  # or it is locked
        assert [one.key for one in events] == ["a"]
    for one in (store, started):
        one.close()
    writer.dispose()


def test_each_migration_can_be_taken_back(url: str) -> None:
    engine = engine_of(url)
    migrate(engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    migrate(engine)
    engine.dispose()


# A row of each table as an earlier release wrote it, by the migration that it had as its newest.
_EVENTS = "INSERT INTO events (user_id, movie_id, type, rating, timestamp, received, key) VALUES "
_SHOWN = (
    "INSERT INTO impressions (user_id, model, version, timestamp, movies{}) VALUES ('196', 'fm', '1.0', 7, '[50]'{})"
)
_COMPARED = (
    'INSERT INTO experiments (model, a, b, share, salt, metric, like_above, "window", effect, started) '
    "VALUES ('fm', '1.0', '1.1', 0.5, 's', 'click', 3, 60, 0.1, 5)"
)
EARLIER = {
    "0001": [_SHOWN.format("", "")],
    "0002": [_SHOWN.format(", experiment", ", 1"), _COMPARED],
    "0003": [_SHOWN.format(", experiment, teams", ", 1, 'a'"), _COMPARED],
    "0004": [_SHOWN.format(", explored", ", '[0]'"), _COMPARED],
}


@pytest.mark.parametrize("release", EARLIER)
def test_what_an_earlier_release_has_stored_is_kept(url: str, release: str) -> None:
    engine = engine_of(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    rated = [event("196", "a", "50"), event("196", "b", "51", rating=None)]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, release)
        values = f"('196', '50', 'rating', 4.0, {NOW}, {NOW}, 'a'), ('196', '51', 'like', NULL, {NOW}, {NOW}, 'b')"
        for statement in (_EVENTS + values, *EARLIER[release]):
            connection.execute(text(statement))
    engine.dispose()
    store = Store(url)
    assert store.known("196", 9) == (rated, 1)
    assert store.add_events([[rated[0], event("196", "c")]]) == [1], "keys of earlier releases are known"
    assert store.tastes_of_each(["196"], 1) == {"196": [Taste("50", "rating", 4.0)]}
    found = running(store)
    assert found == {} if release == "0001" else (found["fm"].b, found["fm"].interleave) == ("1.1", False)
    assert store.forget("196") == (3, 1)
    store.close()


def test_the_test_above_knows_every_earlier_release() -> None:
    numbers = sorted(path.stem[:4] for path in (MIGRATIONS / "versions").glob("0*.py"))
    assert numbers[:-1] == list(EARLIER)


def test_a_database_of_a_newer_release_is_left_alone(url: str) -> None:
    engine = engine_of(url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    store = Store(url)
    with pytest.raises(StoreDown, match="9999"):
        store.add_events([[event("196", "a")]])
    store.close()


@pytest.mark.parametrize(
    ("url", "named"),
    [("mysql://host/name", "mysql"), ("nonsense", "no URL"), ("sqlite://", "sqlite"), ("sqlite:///:memory:", "sqlite")],
)
def test_other_databases_are_refused(url: str, named: str) -> None:
    with pytest.raises(URLError, match=named):
        engine_of(url)


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    assert without_password("postgresql://user:secret@host/events") == "postgresql://user:***@host/events"


def test_the_gateway_takes_the_types_of_the_store() -> None:
    assert set(Event.model_json_schema()["properties"]["type"]["enum"]) == set(TYPES)
