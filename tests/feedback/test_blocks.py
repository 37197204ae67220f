"""All events of some types are read in blocks, and reading makes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedback import blocks, database
from feedback.blocks import read_blocks, url_of
from feedback.database import DEFAULT_URL, URLError
from feedback.store import Event, Store, StoreDown
from tests.feedback.conftest import NOW, event


def test_every_event_of_the_types_is_in_one_block(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    ratings = [event("196", str(number), movie=f"m-{number}", timestamp=NOW - number) for number in range(5)]
    store.add_events([[*ratings[:3], event("196", "like", rating=None)], ratings[3:]])
    found = list(read_blocks(url, ["rating"]))
    assert [len(block.id) for block in found] == [2, 2, 1]
    assert [movie for block in found for movie in block.movie_id] == [f"m-{number}" for number in range(5)]
    assert [time for block in found for time in block.timestamp] == [NOW - number for number in range(5)]
    ids = [number for block in found for number in block.id]
    assert ids == sorted(set(ids))
    (likes,) = read_blocks(url, ["like", "purchase"])
    assert likes.rating == (None,)


def test_somebody_who_is_forgotten_while_a_training_reads_is_in_the_next_one_no_more(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The training that has begun sees the events of its moment, whole; the file keeps bytes of them until it ends."""
    monkeypatch.setattr(database, "WAIT", 1)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    store = Store(url)
    store.add_events([[event("196", str(number)) for number in range(5)], [event("197", "a")]])
    reading = read_blocks(url, ["rating"])
    first = next(reading)
    if url.startswith("sqlite"):
        with pytest.raises(StoreDown, match=r"the rows are deleted, .* as somebody reads it: forget again"):
            store.forget("196")
    else:
        assert store.forget("196").events == 5
    assert sum(len(block.id) for block in [first, *reading]) == 6
    assert store.forget("196").events == 0
    assert [block.user_id for block in read_blocks(url, ["rating"])] == [("197",)]
    store.close()


def test_a_store_without_such_events_has_no_block(store: Store, url: str) -> None:
    store.add_events([[Event("196", "50", "click", None, NOW, NOW, "a")]])
    assert list(read_blocks(url, ["rating"])) == []


@pytest.mark.parametrize("there", [None, b"", b"no database, but a file that is long enough to be taken for one" * 99])
def test_what_is_no_store_is_down_and_stays_as_it_is(there: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    if there is not None:
        path.write_bytes(there)
    with pytest.raises(StoreDown, match=r"no such file|no such table|not a database"):
        list(read_blocks(f"sqlite:///{path}", ["rating"]))
    assert path.exists() == (there is not None)
    if there:
        assert path.read_bytes() == there


def test_a_server_that_is_not_there_is_down() -> None:
    with pytest.raises(StoreDown, match="connection"):
        list(read_blocks("postgresql://postgres@127.0.0.1:1/events", ["rating"]))


def test_a_url_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert url_of("sqlite:///a.db") == "sqlite:///a.db"
    monkeypatch.setenv("EVENTS_URL", "postgresql://u:secret@h/name")
    assert url_of("EVENTS_URL") == "postgresql://u:secret@h/name"
    monkeypatch.delenv("EVENTS_URL")
    monkeypatch.setattr(blocks, "DEFAULT_URL", "sqlite:////no/such/folder/events.db")
    assert url_of("EVENTS_URL") is None
    assert DEFAULT_URL.endswith("/events/events.db")
    with pytest.raises(URLError):
        list(read_blocks("mysql://h/name", ["rating"]))
