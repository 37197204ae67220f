"""Each stage has its own seconds and its own peak of memory."""

import json

import numpy as np

from benchmarks.scale import Scale, _measured, _resident
from training.data import generate


def test_a_line_for_each_stage(tmp_path, capsys):
    log = generate(users=30, movies=20, ratings=200).log
    log.ratings.to_parquet(tmp_path / "r.parquet")
    log.movies.to_csv(tmp_path / "m.csv", index=False)
    Scale(str(tmp_path / "r.parquet"), tmp_path / "m.csv").run()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["stage"] for line in lines] == ["read", "hash", "check", "split", "encode"]
    assert {line["ratings"] for line in lines} == {200}


def test_the_peak_is_of_the_stage_alone(capsys):
    before = _resident("VmRSS")
    for megabytes in (200, 1):
        with _measured("stage", before) as rows:
            np.ones(megabytes << 17)  # float64
            rows(1)
    first, second = (json.loads(line)["peak_mb"] for line in capsys.readouterr().out.splitlines())
    assert 190 < first < 260
    assert second < 60
