"""What an archive says of the rows that it has seen."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from tests.training.comparison.growth import then
from training.comparison.running import Running, opened
from training.data import DataError, RatingsLog


def test_a_running_archive_that_cannot_answer_is_named_before_anything_is_trained(running: Running) -> None:
    running.check()
    (running.folder / "mf.pt").write_bytes(b"no network")
    with pytest.raises(DataError, match=r"version 1\.0 cannot answer: .*--running"):
        running.check()


def test_what_the_running_version_has_seen_is_known(before: RatingsLog, whole: RatingsLog, running: Running) -> None:
    assert np.array_equal(running.places(whole.ratings) >= 0, then(whole))
    assert running.changed(whole.ratings) == 0
    lower = before.ratings["rating"].to_numpy().copy()
    lower[:100] = 1 + (lower[:100] == 1)
    assert running.changed(before.ratings.assign(rating=lower)) == pytest.approx(100 / len(before))
    users = pd.Series([before.ratings["user_id"].iloc[0], 999_999])
    assert running.knows(users).tolist() == [True, False]


def test_ids_are_the_same_as_text(before: RatingsLog, running: Running) -> None:
    text = before.ratings.astype({"user_id": "str", "movie_id": "str"})
    assert np.array_equal(running.places(text), running.places(before.ratings))
    assert (running.places(text.assign(user_id="u-" + text["user_id"])) == -1).all()


def test_what_is_no_archive_is_refused_with_the_remedy(tmp_path: Path) -> None:
    broken = tmp_path / "mf-1.0.mar"
    broken.write_bytes(b"PK")
    packed_otherwise = tmp_path / "mf-1.1.mar"
    with ZipFile(packed_otherwise, "w") as made:
        made.writestr("MAR-INF/MANIFEST.json", "{}")
    of_another_kind = packed_otherwise.read_bytes().replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x00\x00\x09\x00")
    packed_otherwise.write_bytes(of_another_kind)  # with a compression that Python does not read
    for path in (broken, packed_otherwise, tmp_path / "none.mar"):
        with pytest.raises(DataError, match=rf"{path.name}: is no archive of this project .*--running"), opened(path):
            pass
