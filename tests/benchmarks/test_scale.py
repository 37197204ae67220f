"""Trainings and files of each type are measured, and the page shows what was found."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks import scale, scale_page
from training.data import generate, planted, prepared


def test_reading_a_file_is_measured_as_if_it_had_never_been_read(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "LARGE", 0)
    path = tmp_path / "r.parquet"
    generate(users=30, movies=20, ratings=200).log.ratings.to_parquet(path)
    found = scale.measure(str(path))
    assert found["ratings"] == 200
    assert found["seconds"].keys() == found["peak_mb"].keys() >= {"read", "hash"}
    assert list(tmp_path.iterdir()) == [path]


def test_other_types_of_files_have_the_same_ratings(tmp_path, monkeypatch):
    monkeypatch.setattr(planted, "FOLDER", tmp_path)
    ratings = generate(users=30, movies=20, ratings=200).log.ratings
    (tmp_path / "synthetic-25m").mkdir()
    ratings.to_parquet(tmp_path / "synthetic-25m/ratings.parquet")
    for file in ("r.csv", "r.csv.gz"):
        found = pd.read_csv(scale.write(tmp_path / file, text_ids=False))
        assert found.astype({"rating": "float32"}).equals(ratings)
    found = pd.read_parquet(scale.write(tmp_path / "r.parquet", text_ids=True))
    assert found["user_id"].tolist() == [f"user-{user}" for user in ratings["user_id"]]
    assert found["rating"].equals(ratings["rating"])


@pytest.fixture
def results() -> dict:
    runs = {
        size: {
            "ratings": ratings,
            "wall": 3.0,
            "best_rmse": 0.7,
            "test": {"rmse": 0.75},
            "seconds": {"read": ratings**2 / 1e6, "fit": ratings / 10},
            "peak_mb": {"read": 1, "fit": 2},
        }
        for size, ratings in zip(scale_page.SIZES, (1_000, 10_000, 100_000), strict=True)
    }
    return {"runs": {"mf": runs, "fm": {"1m": runs["1m"]}}, "files": {}}


def test_the_tables_show_what_was_measured(results):
    lines = scale_page.stage_seconds(results).splitlines()
    assert lines[2] == "| mf | read | 1.0 s | 100.0 s | 10000.0 s | 2.00 |"
    assert lines[3].endswith("| 1.00 |")
    assert lines[4] == "| fm | read | 1.0 s | - | - | - |"
    assert scale_page.stage_memory(results).splitlines()[3] == "| mf | fit | 2 MB | 2 MB | 2 MB | 20 |"
    assert "| mf | 100,000 | 3 | 2 MB | 0.7500 | 0.7000 |" in scale_page.totals(results)


def test_the_figure_is_the_same_for_the_same_results(results, tmp_path, monkeypatch):
    monkeypatch.setattr(scale_page, "FIGURE", tmp_path / "scale.svg")
    scale_page.draw(results)
    first = scale_page.FIGURE.read_bytes()
    scale_page.draw(results)
    assert b"<svg" in first
    assert scale_page.FIGURE.read_bytes() == first
