"""The ids of an archive are read without its model: from a folder, from an archive, and from one packed before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from archives.ids import MOVIES, USERS, ids_in
from tests.archives.test_packed_before import PACKED
from tests.conftest import Planted


def test_the_ids_are_those_of_the_log(store: Path, build: Path, planted: Planted) -> None:
    for place in (store / "fm-1.0.mar", build / "fm"):
        assert list(ids_in(place, USERS)) == sorted(planted.log.users["user_id"])
        assert list(ids_in(place, MOVIES)) == sorted(planted.log.movies["movie_id"])


def test_strings_are_read_too(likes_build: Path) -> None:
    users = ids_in(likes_build / "fm", USERS)
    assert all(isinstance(raw, str) for raw in users)
    assert list(users) == sorted(set(users))
    assert users[-1] == list(users)[-1]
    assert set(random.Random(0).sample(users, 5)) <= set(users)


def test_an_archive_of_an_earlier_release_keeps_them_as_json() -> None:
    assert 11 in ids_in(PACKED, USERS)
    assert 103 in ids_in(PACKED, MOVIES)


def test_what_holds_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="user_ids"):
        ids_in(tmp_path, USERS)
