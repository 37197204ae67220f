"""The names in an archive, and what is read without loading it."""

from __future__ import annotations

from pathlib import Path

from archives.contents import CHECKSUMS, MOVIES, USERS, ids_in, parsed_checksums, version_in, written_checksums
from handlers.recommender.model import files
from tests.conftest import Planted


def test_the_archives_own_code_knows_the_list_of_checksums_by_the_same_name() -> None:
    assert files.CHECKSUMS == CHECKSUMS


def test_the_ids_are_those_of_the_log(store: Path, planted: Planted) -> None:
    assert set(ids_in(store / "fm-1.0.mar", USERS)) == set(planted.log.users["user_id"])
    assert set(ids_in(store / "fm-1.0.mar", MOVIES)) == set(planted.log.movies["movie_id"])


def test_an_archive_says_its_version_and_another_file_none(store: Path, tmp_path: Path) -> None:
    assert version_in(store / "fm-1.0.mar") == "1.0"
    (tmp_path / "fm.mar").write_bytes(b"no zip")
    assert version_in(tmp_path / "fm.mar") is None
    assert version_in(tmp_path / "nothing.mar") is None


def test_a_list_of_checksums_is_read_as_it_was_written() -> None:
    digests = {"b file": "1" * 64, "a": "2" * 64}
    assert parsed_checksums(written_checksums(digests)) == digests
