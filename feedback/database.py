"""The database behind the store: a file (SQLite) or a server (PostgreSQL), by its URL, with the newest tables."""

import sqlite3
import time
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

MIGRATIONS = Path(__file__).parent / "migrations"
DEFAULT_URL = f"sqlite:///{Path(__file__).resolve().parents[1] / 'events' / 'events.db'}"
WAIT = 5  # seconds: for a lock of another process, and for a server that does not answer
PAUSE = 0.01  # seconds between looks at such a lock

# Another process that migrates at the same time waits. The number is arbitrary, and the project's own.
_MIGRATION_LOCK = 7_305_101_114


class URLError(ValueError):
    """A URL that names no database that the store can use."""


def engine_of(url: str) -> Engine:
    """The engine for ``sqlite:///file`` or ``postgresql://user:password@host/name``; nothing is opened yet.

    Raises URLError for any other URL.
    """
    parsed = _parsed(url)
    kind = parsed.get_backend_name()
    if kind in ("postgres", "postgresql"):  # "postgres" is what some hosts write
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,  # a connection that the server has dropped is replaced
            connect_args={
                "connect_timeout": WAIT,
                "tcp_user_timeout": 1000 * WAIT,  # milliseconds, as the next
                "options": f"-c statement_timeout={1000 * WAIT}",
            },
        )
    elif kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        engine = create_engine(parsed, connect_args={"timeout": WAIT})
        event.listen(engine, "do_connect", _make_folder)
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    else:
        raise URLError(f"EVENTS_URL begins with {kind}: give sqlite:///file or postgresql://user:password@host/name")
    return engine


def without_password(url: str) -> str:
    """The URL, for people. Raises URLError for what is none."""
    return _parsed(url).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except ArgumentError:
        raise URLError("EVENTS_URL is no URL: give sqlite:///file or postgresql://user:password@host/name") from None


def migrate(engine: Engine) -> None:
    """Make the tables, or bring those of an earlier release to the newest form.

    Where they have it already, no writer is waited for.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    newest = ScriptDirectory.from_config(config).get_heads()
    with engine.connect().execution_options(reads_only=True) as connection, connection.begin():
        if list(MigrationContext.configure(connection).get_current_heads()) == newest:
            return
    with engine.begin() as connection:
        without_time_limit(connection)
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def without_time_limit(connection: Connection) -> None:
    """Let the statements of a transaction take as long as a large table makes them."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))


def _make_folder(_dialect: Any, _record: Any, arguments: Any, _options: Any) -> None:
    Path(arguments[0]).parent.mkdir(parents=True, exist_ok=True)


def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy begins them (_begin)
    _write_ahead(connection)
    for pragma in (
        "synchronous=FULL",  # a commit is on the disk when it returns: it survives a loss of power
        "secure_delete=ON",  # what is deleted is overwritten: a person who is forgotten leaves no bytes
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Readers and the writer do not wait for each other. SQLite itself waits for no other process that sets this."""
    deadline = time.monotonic() + WAIT
    while True:
        try:
            return connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)


def _begin(connection: Any) -> None:
    # A transaction that reads first and writes then would fail at once where another process has written in between.
    reads = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
