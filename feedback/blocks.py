"""Every event of the store, in blocks of columns: what training reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from .database import DEFAULT_URL, engine_of
from .store import StoreDown, first_line
from .tables import events

BLOCK_ROWS = 50_000


class Columns(NamedTuple):
    """Events as aligned columns. ``rating`` has None for every type but "rating"."""

    id: tuple[int, ...]
    user_id: tuple[str, ...]
    movie_id: tuple[str, ...]
    rating: tuple[float | None, ...]
    timestamp: tuple[int, ...]
    type: tuple[str, ...]


_COLUMNS = tuple(events.c[name] for name in Columns._fields)


def url_of(given: str) -> str | None:
    """The URL of a store. ``EVENTS_URL`` stands for this variable of the environment: so no password is an argument.

    Where the variable is not set it is the gateway's default; None where that has no file yet.
    """
    if given != "EVENTS_URL":
        return given
    url = os.environ.get("EVENTS_URL") or DEFAULT_URL
    return None if url == DEFAULT_URL and _lacks_file(url) else url


def read_blocks(url: str, types: Sequence[str]) -> Iterator[Columns]:
    """All events of some types in the order in which they were stored, as they are at one moment.

    Changes nothing. Raises StoreDown where the store cannot be read, and ``database.URLError`` for another URL.
    """
    if _lacks_file(url):
        raise StoreDown("there is no such file")
    wanted = select(*_COLUMNS).where(events.c.type.in_(types)).order_by(events.c.id)
    engine = engine_of(url)
    try:
        options = {"reads_only": True, "yield_per": BLOCK_ROWS}
        with engine.connect().execution_options(**options) as connection, connection.begin():
            for rows in connection.execute(wanted).partitions():
                yield Columns(*zip(*rows, strict=True))
    except (DBAPIError, OSError) as error:
        raise StoreDown(first_line(error)) from error
    finally:
        engine.dispose()


def _lacks_file(url: str) -> bool:
    """Whether the URL is that of a file which is not there: to open it would make it."""
    parsed = engine_of(url).url
    return parsed.get_backend_name() == "sqlite" and not Path(parsed.database).is_file()
