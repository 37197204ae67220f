"""What the store does: add events and impressions, read a user's events, forget a user."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alembic.util import CommandError
from sqlalchemy import Connection, Select, bindparam, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from .database import engine_of, migrate, without_time_limit
from .tables import NO_CLICK, events, impressions

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class StoreDown(Exception):
    """The database cannot be reached, or cannot be written; nothing of the transaction was stored."""


class Event(NamedTuple):
    """What somebody did. Ids as texts, times in seconds since 1970; ``rating`` where ``type`` is "rating"."""

    user_id: str
    movie_id: str
    type: str
    rating: float | None
    timestamp: int
    received: int
    key: str


class Impression(NamedTuple):
    """A list that was shown: ``movies`` in the order of their positions.

    ``experiment``: the id of the experiment that has chosen the version. ``teams``: of an interleaved list, whose each
    position is (``experiments.TEAM_A``, ``TEAM_B``). ``explored``: the positions, from 0, of the movies that
    exploration has put there.
    """

    user_id: str | None
    movie_id: str | None
    model: str
    version: str
    timestamp: int
    movies: Sequence[int | str]
    experiment: int | None = None
    teams: str | None = None
    explored: Sequence[int] = ()


class Taste(NamedTuple):
    """What of an event changes its user's answers."""

    movie_id: str
    type: str
    rating: float | None


def _latest(fields: Sequence[str]) -> Select[Any]:
    return (
        select(*(events.c[name] for name in fields))
        .where(events.c.user_id == bindparam("user"), events.c.timestamp > bindparam("since"))
        .order_by(events.c.timestamp.desc(), events.c.id.desc())
        .limit(bindparam("most"))
    )


# Made once: for each request it would take longer than its answer.
_LATEST, _LATEST_TASTES = _latest(Event._fields), _latest(Taste._fields).where(NO_CLICK)


class Forgotten(NamedTuple):
    """How many rows of a user were deleted."""

    events: int
    impressions: int = 0


class Store:
    """The store at a URL. Threads may share it. The tables are made, or brought up to date, before the first use.

    Every method raises StoreDown where the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        """Open nothing yet. Raises ``database.URLError`` for a URL that names no database of a known kind."""
        self._engine = engine_of(url)
        self._insert = _INSERT[self._engine.dialect.name]
        self._is_migrated = False

    def add_events(self, batches: Sequence[Sequence[Event]]) -> list[int]:
        """Store all batches in one transaction; for each, how many of its events were not there already."""
        once = self._insert(events).on_conflict_do_nothing(index_elements=["user_id", "key"]).returning(events.c.id)

        def write(connection: Connection) -> list[int]:
            rows = [[event._asdict() for event in batch] for batch in batches]
            return [len(connection.execute(once, batch).all()) if batch else 0 for batch in rows]

        return self.run(write)

    def add_impressions(self, shown: Sequence[Impression]) -> None:
        """Store impressions."""
        rows = [
            one._asdict()
            | {
                "movies": json.dumps(list(one.movies)),
                "explored": json.dumps(list(one.explored)) if one.explored else None,
            }
            for one in shown
        ]
        if rows:
            self.run(lambda connection: connection.execute(insert(impressions), rows))

    def events_of(self, user_id: str, since: int = 0, limit: int = 1000) -> list[Event]:
        """The latest events of a user that happened after ``since``, the oldest of them first."""
        wanted = {"user": user_id, "since": since, "most": limit}
        rows = self.run(lambda connection: connection.execute(_LATEST, wanted).all(), reads_only=True)
        return [Event(*row) for row in reversed(rows)]

    def tastes_of_each(self, users: Sequence[str], limit: int) -> dict[str, list[Taste]]:
        """Of each user, the latest events that are no clicks, the oldest first; users without any are left out."""

        def read(connection: Connection) -> dict[str, list[Taste]]:
            wanted = [{"user": user, "since": 0, "most": limit} for user in users]
            found = {one["user"]: connection.execute(_LATEST_TASTES, one).all() for one in wanted}
            return {user: [Taste(*row) for row in reversed(rows)] for user, rows in found.items() if rows}

        return self.run(read, reads_only=True)

    def known(self, user_id: str, limit: int) -> tuple[list[Event], int]:
        """The latest events of a user, the oldest of them first, and how many lists they were shown."""
        shown = select(func.count()).select_from(impressions).where(impressions.c.user_id == user_id)
        count = self.run(lambda connection: connection.execute(shown).scalar_one(), reads_only=True)
        return self.events_of(user_id, limit=limit), count

    def forget(self, user_id: str, movie_id: str | None = None) -> Forgotten:
        """Delete every row of a user, or only their events about one movie.

        In SQLite, StoreDown may also mean that their bytes are still in its log.
        """
        tables = (events, impressions)
        statements = [delete(of).where(of.c.user_id == user_id) for of in tables]
        if movie_id is not None:
            statements = [statements[0].where(events.c.movie_id == movie_id)]

        def write(connection: Connection) -> Forgotten:
            without_time_limit(connection)  # somebody may have a million rows
            return Forgotten(*(connection.execute(statement).rowcount for statement in statements))

        forgotten = self.run(write)
        if self._engine.dialect.name == "sqlite":
            self._empty_log()
        return forgotten

    def _empty_log(self) -> None:
        """Copy SQLite's write-ahead log, which still has rows as they were before, into the file, and empty it."""
        connection = self._engine.raw_connection()
        try:
            (is_busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StoreDown(f"the rows are deleted, but its log still has them ({error}): forget again") from error
        finally:
            connection.close()
        if is_busy:
            raise StoreDown("the rows are deleted, but its log still has them, as somebody reads it: forget again")

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def run(self, work: Callable[[Connection], Any], **options: Any) -> Any:
        """What ``work`` returns, run in a transaction of its own. ``reads_only=True`` waits for no writer."""
        try:
            if not self._is_migrated:
                migrate(self._engine)
                self._is_migrated = True
            with self._engine.connect().execution_options(**options) as connection, connection.begin():
                return work(connection)
        except (DataError, IntegrityError):  # the fault of the rows
            raise
        except (DBAPIError, OSError, CommandError) as error:
            self._is_migrated = False  # what comes back may be another database
            raise StoreDown(first_line(error)) from error


def first_line(error: Exception) -> str:
    """What the database says."""
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]
