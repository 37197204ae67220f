"""Columns of a large file are those of a small one, made once, and whole or not there."""

from __future__ import annotations

import errno
import multiprocessing

import numpy as np
import pandas as pd
import pytest

from training.data import DataError, columns, generate, prepared, split, tables
from training.data.files import read_log
from training.data.ratings import read_ratings
from training.interactions import encode

ROWS = 3_000


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(prepared, "LARGE", 0)
    monkeypatch.setattr(tables, "_BLOCK_ROWS", 700)
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 10_000)
    monkeypatch.setattr(columns, "_ROWS_AT_A_TIME", 500)


def table_of(kind: str) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pairs = rng.permutation(90_000)[:ROWS]
    users, movies = pairs // 300, pairs % 300
    named = pd.DataFrame({"user_id": users, "movie_id": movies}).astype("str")
    named["rating"] = rng.integers(1, 6, ROWS).astype("float32")
    named["timestamp"] = rng.integers(0, 10**9, ROWS)
    if kind == "texts":
        named["user_id"], named["movie_id"] = "u-" + named["user_id"], "m-" + named["movie_id"]
    if kind == "a text far down":
        named.loc[2_000, "user_id"] = "007"
    return named if kind != "integers" else named.astype({"user_id": "int64", "movie_id": "int64"})


def write(table: pd.DataFrame, path):
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["r.parquet", "r.csv", "r.csv.gz"])
@pytest.mark.parametrize("kind", ["integers", "texts", "a text far down"])
def test_they_are_those_that_are_read_into_memory(tmp_path, kind, name):
    path = write(table_of(kind), tmp_path / name)
    found, expected = prepared.columns_of(path, tmp_path / "p"), read_ratings(path)
    assert {dtype.name for dtype in found.dtypes[:2]} <= {"int64", "category"}
    assert list(found) == list(expected)
    for column in expected:
        assert found[column].astype(expected[column].dtype).equals(expected[column])


@pytest.mark.parametrize("kind", ["integers", "texts"])
def test_a_log_is_the_same_in_every_respect(tmp_path, kind, monkeypatch):
    path = write(table_of(kind), tmp_path / "r.parquet")
    mapped = read_log(path, prepared_in=tmp_path / "p")
    monkeypatch.setattr(prepared, "LARGE", 1 << 30)
    log = read_log(path)
    assert mapped.sha256 == log.sha256
    part = np.arange(0, ROWS, 3)
    for ours, theirs in ((mapped, log), (mapped.with_rows(part), log.with_rows(part))):
        rows, expected = encode(ours, False), encode(theirs, False)
        assert list(rows.users.vocabulary.ids) == list(expected.users.vocabulary.ids)
        assert (rows.user_rows == expected.user_rows).all()
        assert (rows.movie_rows == expected.movie_rows).all()
        for one, other in ((ours, theirs), (theirs, ours)):
            assert one.has(other.ratings).all()
    for how in ("random", "time", "leave-one-out"):
        assert (split(mapped, how, 0).test == split(log, how, 0).test).all()


def test_they_are_made_once_for_what_is_in_the_file(tmp_path, monkeypatch):
    table = table_of("texts")
    made = prepared.columns_of(write(table, tmp_path / "r.csv"), tmp_path / "p")
    (tmp_path / "r.csv").rename(tmp_path / "other.csv")
    with monkeypatch.context() as no_reading:
        no_reading.setattr(prepared, "typed_blocks", None)
        assert prepared.columns_of(tmp_path / "other.csv", tmp_path / "p").equals(made)
    changed = write(table.assign(rating=1.0), tmp_path / "other.csv")
    assert (prepared.columns_of(changed, tmp_path / "p")["rating"] == 1).all()
    assert len(list((tmp_path / "p").iterdir())) == 2


def test_columns_of_earlier_contents_of_a_file_are_removed(tmp_path):
    write(table_of("texts"), tmp_path / "other.csv")
    prepared.columns_of(tmp_path / "other.csv", tmp_path / "p")
    for rating in (1.0, 2.0, 3.0):
        path = write(table_of("texts").assign(rating=rating), tmp_path / "r.csv")
        assert (prepared.columns_of(path, tmp_path / "p")["rating"] == rating).all()
    assert len(list((tmp_path / "p").iterdir())) == 2


def _prepare(path, folder, start, made):
    prepare = prepared._prepare
    prepared._prepare = lambda *where: (made.put(1), prepare(*where))
    start.wait()
    assert len(prepared.columns_of(path, folder)) == ROWS


def test_processes_that_want_them_at_once_make_them_once(tmp_path):
    path, forked = write(table_of("texts"), tmp_path / "r.csv"), multiprocessing.get_context("fork")
    start, made = forked.Barrier(2), forked.SimpleQueue()
    both = [forked.Process(target=_prepare, args=(path, tmp_path / "p", start, made)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert made.get() == 1
    assert made.empty()


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(prepared.hashlib, "file_digest", fail)
    with pytest.raises(DataError, match=r"r\.csv: cannot be read \(Input/output error\)"):
        prepared.columns_of(write(table_of("integers"), tmp_path / "r.csv"), tmp_path / "p")


@pytest.mark.parametrize("file", ["user_id", "user_id.ids", "columns.json"])
@pytest.mark.parametrize("left", [0, 100, None], ids=["empty", "cut", "gone"])
def test_columns_that_are_not_whole_are_made_again(tmp_path, file, left):
    path = write(table_of("texts"), tmp_path / "r.csv")
    made = prepared.columns_of(path, tmp_path / "p").copy()
    (place,) = (tmp_path / "p").iterdir()
    contents = (place / file).read_bytes()
    (place / file).unlink()
    if left is not None:
        (place / file).write_bytes(contents[:left])
    assert prepared.columns_of(path, tmp_path / "p").equals(made)


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = write(table_of("integers"), tmp_path / "r.csv")
    left = tmp_path / "p" / ".new-0123"
    left.mkdir(parents=True)
    (left / "user_id").write_bytes(b"12345678")
    prepared.columns_of(path, tmp_path / "p")
    assert not left.exists()


@pytest.mark.parametrize("after", [0, 3, 16])
def test_a_disk_that_fills_leaves_nothing(tmp_path, monkeypatch, after):
    path = write(table_of("texts"), tmp_path / "r.csv")
    append, done = columns.NumberColumn._append, []

    def fill(column, values):
        done.append(column)
        if len(done) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(column, values)

    monkeypatch.setattr(columns.NumberColumn, "_append", fill)
    with pytest.raises(DataError, match=r"r\.csv: its columns cannot be written .*No space left.*Give .* room"):
        prepared.columns_of(path, tmp_path / "p")
    assert list((tmp_path / "p").iterdir()) == []


def test_a_bad_row_is_refused_as_ever_and_leaves_nothing(tmp_path):
    table = table_of("integers").astype({"rating": "str"})
    table.loc[2_500, "rating"] = "good"
    with pytest.raises(DataError, match=r"r\.csv, column 'rating', row 2501: 'good' is not a number"):
        prepared.columns_of(write(table, tmp_path / "r.csv"), tmp_path / "p")
    assert list((tmp_path / "p").iterdir()) == []


def test_small_files_leave_no_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "LARGE", 1 << 30)
    prepared.columns_of(write(table_of("integers"), tmp_path / "r.csv"), tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_a_log_of_a_model_by_texts_can_be_generated_and_mapped(tmp_path):
    log = generate(users=50, movies=40, ratings=600, string_ids=True).log
    path = write(log.ratings, tmp_path / "r.parquet")
    log.movies.to_parquet(tmp_path / "m.parquet")
    mapped = read_log(path, movies=tmp_path / "m.parquet", prepared_in=tmp_path / "p")
    found, expected = encode(mapped, True).movies.vocabulary, encode(log, True).movies.vocabulary
    assert list(found.ids) == list(expected.ids)
