"""Events are stored once, read by user, and forgotten."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Select, create_engine, text
from sqlalchemy.dialects import sqlite

from feedback import database
from feedback.store import _LATEST, _LATEST_TASTES, Event, Forgotten, Impression, Store, StoreDown, Taste
from feedback.tables import metadata
from tests.feedback.conftest import NOW, event


def test_events_come_back_as_they_were_stored(store: Store) -> None:
    given = [event("196", "a"), event("196", "b", rating=None), event("é “u”", "c")]
    assert store.add_events([given]) == [3]
    assert store.events_of("196") == given[:2]
    assert store.events_of("é “u”") == given[2:]
    assert store.events_of("nobody") == []


def test_an_event_that_comes_again_is_stored_once(store: Store) -> None:
    first, again = event("196", "a", rating=4), event("196", "a", rating=1)
    assert store.add_events([[first, again], [again, event("196", "b")]]) == [1, 1]
    assert store.add_events([[first]]) == [0]
    assert [one.rating for one in store.events_of("196")] == [4, 4]


def test_a_key_is_its_users(store: Store) -> None:
    assert store.add_events([[event("196", "a"), event("197", "a")]]) == [2]


def test_the_latest_events_of_a_user_the_oldest_first(store: Store) -> None:
    times = [NOW + 3, NOW + 1, NOW + 2, NOW]
    store.add_events([[event("196", str(time), timestamp=time) for time in times]])
    assert [one.timestamp for one in store.events_of("196", since=NOW)] == [NOW + 1, NOW + 2, NOW + 3]
    assert [one.timestamp for one in store.events_of("196", limit=2)] == [NOW + 2, NOW + 3]


def test_batches_are_stored_together_or_not_at_all(store: Store) -> None:
    store.add_events([[]])
    broken = Event("196", "50", None, None, NOW, NOW, "b")  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"(?i)not.null"):
        store.add_events([[event("196", "a")], [event("197", "a"), broken]])
    assert store.events_of("196") == store.events_of("197") == []


def test_a_user_who_is_forgotten_leaves_no_row_and_the_others_keep_theirs(store: Store, url: str) -> None:
    store.add_events([[event("196", "a"), event("196", "b"), event("197", "a")]])
    shown = [Impression(user, None, "fm", "1.0", NOW, ["50", "x"]) for user in ("196", "197", None)]
    store.add_impressions(shown)
    assert store.forget("196") == Forgotten(2, 1)
    assert store.forget("196") == Forgotten(0, 0)
    assert store.events_of("196") == []
    assert len(store.events_of("197")) == 1
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT user_id, movies FROM impressions ORDER BY id")).all()
    engine.dispose()
    assert [(user, json.loads(movies)) for user, movies in rows] == [("197", ["50", "x"]), (None, ["50", "x"])]


def test_what_is_known_of_a_user_and_one_movie_of_it_forgotten(store: Store) -> None:
    given = [event("196", "a", movie="50"), event("196", "b", movie="51", rating=None), event("196", "c", movie="50")]
    store.add_events([given, [event("197", "a", movie="50")]])
    store.add_impressions([Impression(user, None, "fm", "1.0", NOW, ["50"]) for user in ("196", "196", "197")])
    assert store.known("196", 2) == (given[1:], 2)
    assert store.forget("196", "50") == Forgotten(2, 0)
    assert store.known("196", 9) == ([given[1]], 2)
    assert store.known("197", 9)[1] == 1


def test_no_file_has_bytes_of_somebody_who_was_forgotten(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/events.db")
    store.add_events([[event("somebody@example.org", str(number)) for number in range(500)]])

    def has_bytes() -> bool:
        return any(b"somebody@example.org" in file.read_bytes() for file in tmp_path.iterdir())

    assert has_bytes()
    store.forget("somebody@example.org")
    assert not has_bytes()
    store.close()


def test_somebody_who_reads_the_file_keeps_bytes_in_its_log_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT", 0.1)
    store = Store(f"sqlite:///{tmp_path}/events.db")
    store.add_events([[event("somebody@example.org", "a")]])
    reader = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    with pytest.raises(StoreDown, match=r"the rows are deleted, but its log still has them.*forget again"):
        store.forget("somebody@example.org")
    reader.close()
    assert store.forget("somebody@example.org") == Forgotten(0, 0)
    assert not any(b"somebody@example.org" in file.read_bytes() for file in tmp_path.iterdir())
    store.close()


def test_a_commit_survives_a_loss_of_power(tmp_path: Path) -> None:
    """What SQLite promises for this setting: the log is synced before a commit returns."""
    store = Store(f"sqlite:///{tmp_path}/events.db")
    store.add_events([[event("196", "a")]])
    with store._engine.connect() as connection:
        settings = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")]
    store.close()
    assert settings == ["wal", 2]


@pytest.mark.parametrize(
    "url", ["sqlite:////proc/no/such/folder.db", "postgresql://postgres@127.0.0.1:1/events", "sqlite:////etc"]
)
def test_a_database_that_cannot_be_used_is_down(url: str) -> None:
    store = Store(url)
    for method, arguments in (
        (store.add_events, [[[event("196", "a")]]]),
        (store.add_impressions, [[Impression(None, None, "fm", "1.0", NOW, [])]]),
        (store.events_of, ["196"]),
        (store.forget, ["196"]),
    ):
        with pytest.raises(StoreDown):
            method(*arguments)


def test_a_file_that_is_damaged_is_down(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"this is no database" * 1000)
    store = Store(f"sqlite:///{tmp_path}/events.db")
    with pytest.raises(StoreDown, match="not a database"):
        store.events_of("196")
    store.close()


@pytest.mark.slow
def test_tables_that_were_dropped_are_made_anew(postgresql: str) -> None:
    store = Store(postgresql)
    store.add_events([[event("dropped tables", "a")]])
    engine = create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for table in (*metadata.tables, "alembic_version"):
            connection.execute(text(f"DROP TABLE {table}"))
    engine.dispose()
    with pytest.raises(StoreDown, match="does not exist"):
        store.add_events([[event("dropped tables", "a")]])
    assert store.add_events([[event("dropped tables", "a")]]) == [1]
    store.close()


def test_a_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/events.db")
    store.add_events([[event("196", "a")]])
    store.close()  # its connections; as if the process had not one open
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(StoreDown, match="no such table"):
        store.add_events([[event("196", "a")]])
    assert store.add_events([[event("196", "a")]]) == [1]
    store.close()


def test_a_store_that_was_down_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "events").write_text("a file where the folder should be")
    store = Store(f"sqlite:///{tmp_path}/events/events.db")
    with pytest.raises(StoreDown):
        store.add_events([[event("196", "a")]])
    (tmp_path / "events").unlink()
    assert store.add_events([[event("196", "a")]]) == [1]
    store.close()


@pytest.mark.slow
def test_connections_that_the_server_has_dropped_are_replaced(postgresql: str) -> None:
    store = Store(postgresql)
    store.add_events([[event("dropped", "a")]])
    engine = create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()
    assert store.add_events([[event("dropped", "b")]]) == [1]
    store.close()


def test_clicks_push_no_rating_out_of_what_changes_a_list(store: Store) -> None:
    ratings = [event("196", f"r{number}", f"{number}", timestamp=NOW + number) for number in range(3)]
    clicks = [event("196", f"c{number}", timestamp=NOW + 9, rating=None)._replace(type="click") for number in range(50)]
    store.add_events([ratings + clicks])
    assert store.tastes_of_each(["196", "nobody"], 2) == {"196": [Taste("1", "rating", 4), Taste("2", "rating", 4)]}


@pytest.mark.parametrize(("query", "index"), [(_LATEST, "events_of_user"), (_LATEST_TASTES, "tastes_of_user")])
def test_a_read_of_a_users_latest_events_looks_at_no_others(tmp_path: Path, query: Select, index: str) -> None:
    """However many somebody has: SQLite finds them in the index, in their order, and stops at the limit."""
    store, asked = Store(f"sqlite:///{tmp_path}/events.db"), query.compile(dialect=sqlite.dialect())
    values = [asked.construct_params({"user": "196", "since": 0, "most": 9})[name] for name in asked.positiontup]
    plan = store.run(lambda of: of.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", tuple(values)).all())
    assert [row[-1] for row in plan] == [f"SEARCH events USING INDEX {index} (user_id=? AND timestamp>?)"]
    store.close()
