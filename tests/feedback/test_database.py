"""URLs, and migrations: they make the tables that the code has, on both databases, and only once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text

from feedback.database import MIGRATIONS, URLError, engine_of, migrate, without_password
from feedback.store import Store, StoreDown
from feedback.tables import TYPES, metadata
from tests.feedback.conftest import event
from web.schema import Event


def test_the_migrations_make_the_tables_of_the_code(url: str) -> None:
    engine = engine_of(url)
    migrate(engine)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_migrations_run_once_whoever_else_migrates(url: str) -> None:
    engines = [engine_of(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(migrate, engines))
    migrate(engines[0])
    for engine in engines:
        engine.dispose()


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
