"""The model store: pins, replacements and the lock."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from archives.contents import sha256_of
from archives.errors import ArchiveRefused, StoreError
from archives.store import check_default, locked, pin, pins, replacing


def test_a_pin_is_a_line_of_a_list_that_sha256sum_reads(tmp_path: Path) -> None:
    assert pins(tmp_path) == {}
    pin(tmp_path, "fm-1.1.mar", "b" * 64)
    pin(tmp_path, "fm-1.0.mar", "a" * 64)
    assert (tmp_path / "SHA256SUMS").read_text() == f"{'a' * 64}  fm-1.0.mar\n{'b' * 64}  fm-1.1.mar\n"
    assert pins(tmp_path) == {"fm-1.0.mar": "a" * 64, "fm-1.1.mar": "b" * 64}


def test_a_default_that_is_none_of_the_pinned_archives_is_refused(folder: Path) -> None:
    check_default(folder / "fm.mar")  # nothing is pinned yet
    pin(folder, "fm-1.0.mar", sha256_of(folder / "fm-1.0.mar"))
    check_default(folder / "fm.mar")
    with (folder / "fm.mar").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ArchiveRefused, match=r"fm.mar is none of the pinned archives \(fm-1.0.mar\).*cp "):
        check_default(folder / "fm.mar")


def test_a_replacement_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("before")

    def run_out_of_space() -> None:
        with replacing(target) as staged:
            staged.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StoreError, match="No space left"):
        run_out_of_space()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_one_rollout_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StoreError, match="another rollout"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass
