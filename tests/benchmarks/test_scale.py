"""Each stage has its own seconds and its own peak of memory, and the tables show them."""

import json

import numpy as np
import pandas as pd

from benchmarks import scale
from training.data import generate, planted


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_for_each_stage(tmp_path, capsys):
    generate(users=30, movies=20, ratings=200).log.ratings.to_parquet(tmp_path / "r.parquet")
    scale.Scale(str(tmp_path / "r.parquet")).run()
    found = lines(capsys)
    assert [line["stage"] for line in found] == ["read", "hash", "check", "split", "encode"]
    assert {line["ratings"] for line in found} == {200}


def test_the_peak_is_of_the_stage_alone(capsys):
    before = scale.resident("VmRSS")
    for megabytes in (200, 1):
        with scale.measured("stage", before) as rows:
            np.ones(megabytes << 17)  # float64
            rows(1)
    first, second = (line["peak_mb"] for line in lines(capsys))
    assert 190 < first < 260
    assert second < 60


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


def test_the_exponent_is_that_of_the_growth():
    logs = {
        size: {"read": {"ratings": ratings, "seconds": ratings**2 / 1e6, "peak_mb": 1}}
        for size, ratings in zip(scale.SIZES, (10, 100, 1000), strict=True)
    }
    assert scale.stage_seconds({"logs": logs}).splitlines()[-1].endswith("| 2.00 |")
