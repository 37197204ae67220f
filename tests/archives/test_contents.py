"""The names in an archive, and what is read without loading it."""

from __future__ import annotations

from pathlib import Path

from archives.contents import CHECKSUMS, named_in, parsed_checksums, version_in, written_checksums
from handlers.recommender.model import files


def test_the_archives_own_code_knows_the_list_of_checksums_by_the_same_name() -> None:
    assert files.CHECKSUMS == CHECKSUMS


def test_an_archive_says_its_version_and_another_file_none(store: Path, tmp_path: Path) -> None:
    assert named_in(store / "fm-1.0.mar") == ("fm", "1.0")
    assert version_in(store / "fm-1.0.mar") == "1.0"
    (tmp_path / "fm.mar").write_bytes(b"no zip")
    assert version_in(tmp_path / "fm.mar") is None
    assert version_in(tmp_path / "nothing.mar") is None


def test_a_list_of_checksums_is_read_as_it_was_written() -> None:
    digests = {"b file": "1" * 64, "a": "2" * 64}
    assert parsed_checksums(written_checksums(digests)) == digests
