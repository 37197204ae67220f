"""What an archive says of the rows that it has seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from tests.training.comparison.growth import then
from training.__main__ import main
from training.comparison.running import Running, opened
from training.data import DataError, RatingsLog


def test_a_running_archive_that_cannot_answer_is_named_before_anything_is_trained(running: Running) -> None:
    running.check()
    (running.folder / "mf.pt").write_bytes(b"no network")
    with pytest.raises(DataError, match=r"version 1\.0 cannot answer: .*--running"):
        running.check()


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m", "synthetic:1m"])
def test_a_data_set_that_nobody_named_is_trained_on_beside_no_version_of_another_log(
    running: Running, before: RatingsLog, name: str
) -> None:
    """make and python -m serving retrain train on MovieLens 100K where nothing is said."""
    running.check_log(before)
    metrics = running.folder / "metrics.json"
    metrics.write_text(metrics.read_text().replace(f'"name": "{before.name}"', '"name": "shop"'))
    running.check_log(replace(before, name="shop"))
    running.check_log(replace(before, name="shop-of-tonight"))
    with pytest.raises(DataError, match=rf"^{name}: is not the log of version 1\.0, which is shop\. .*DATA=.*--train="):
        running.check_log(replace(before, name=name))
    metrics.write_text("{}")  # of an archive that does not say so
    running.check_log(replace(before, name=name))


def test_the_log_is_looked_at_before_anything_is_trained(mf: Path, tmp_path: Path, monkeypatch, whole) -> None:
    """The archive is of a planted log, which is none of the data sets that go by a name."""
    other = tmp_path / "mf-1.0.mar"
    with ZipFile(mf) as packed, ZipFile(other, "w") as made:
        for name in packed.namelist():
            made.writestr(name, packed.read(name).replace(f'"name": "{whole.name}"'.encode(), b'"name": "shop"'))
    monkeypatch.setattr("training.train.train", lambda *_: pytest.fail("it was trained"))
    monkeypatch.setattr("training.source.load", lambda *_, **__: replace(whole, name="ml-100k"))
    with pytest.raises(SystemExit, match=r"^error: ml-100k: is not the log of version 1\.0, which is shop"):
        main(["train", "mf", "--running", str(other), "--build", str(tmp_path / "build")])


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
