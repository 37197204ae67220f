"""A whole run: what is written, what the metrics describe, and what stops it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from archives.ids import MOVIES, ids_in
from tests.conftest import MODELS
from training.config import preset
from training.data import DataError, generate, load, read_pairs
from training.data.log import EventsUsed
from training.estimators import ESTIMATORS, TwoEncoderEstimator
from training.train import Run, train


@pytest.fixture(scope="module")
def log():
    return generate(seed=4, users=50, movies=40, ratings=1000).log


def run(model: str, folder: Path, log, *, refit: bool = True, split: str = "random", test=None, **settings):
    estimator = ESTIMATORS[model](**({"sweeps": 4, "burn_in": 2, "epochs": 2} | settings))
    return train(Run(estimator, split, refit, folder / "build", folder / "runs"), log, test)


def test_metrics_say_what_was_measured_and_what_is_exported(log, tmp_path: Path) -> None:
    metrics = run("fm", tmp_path, dataclasses.replace(log, events=EventsUsed(7, 9)))
    del metrics["seconds"]  # what is written is the same after a slow run
    assert json.loads((tmp_path / "build/fm/metrics.json").read_text()) == json.loads(json.dumps(metrics))
    assert metrics["exported_fit"] == "every row of the log"
    assert metrics["data"] == {"name": "synthetic", "sha256": log.sha256, "events": {"count": 7, "last_id": 9}}
    assert metrics["test"]["rows"] == 200
    assert {"rmse", "mae", "auc", "ndcg@10", "recall@20", "cold_users", "cold_movies"} <= metrics["test"].keys()


def test_without_epochs_to_choose_the_validation_rows_measure_lists_alone(log, tmp_path: Path) -> None:
    metrics = run("mf", tmp_path, log)
    assert metrics["validation"].keys() == {
        "rows", "ndcg@10", "recall@20", "coverage@10", "popularity@10", "novelty@10",
    }  # fmt: skip
    assert metrics["test"].keys() >= {"novelty@10", "diversity@10"}
    assert metrics["validation"]["rows"] == 100
    assert (
        metrics["validation_rows"]
        == "chose list_ridges, list_dampings, list_half_lives, list_strengths and list_factors, "
        "so these numbers are too good"
    )
    assert not [warning for warning in metrics["warnings"] if warning.startswith("validation")]
    metrics = run("deepfm", tmp_path, log)
    assert {"auc", "ndcg@10"} <= metrics["validation"].keys()
    assert (
        metrics["validation_rows"]
        == "chose list_ridges, list_dampings, list_half_lives, list_strengths, list_factors and epochs, "
        "so these numbers are too good"
    )


def test_deepfm_reports_likes(log, tmp_path: Path) -> None:
    test = run("deepfm", tmp_path, log)["test"]
    assert {"auc", "log_loss", "ece"} <= test.keys()
    assert "rmse" not in test


@pytest.mark.parametrize(
    ("model", "refit", "fits"), [("mf", False, [800]), ("mf", True, [800, 1000]), ("deepfm", False, [700, 800])]
)
def test_a_network_is_fitted_no_more_often_than_needed(
    model: str, refit: bool, fits: list[int], log, tmp_path: Path, monkeypatch
) -> None:
    rows, fit = [], TwoEncoderEstimator.fit

    def counted(self, train, *others, **options):
        rows.append(len(train))
        return fit(self, train, *others, **options)

    monkeypatch.setattr(TwoEncoderEstimator, "fit", counted)
    run(model, tmp_path, log, refit=refit)
    assert rows == fits


@pytest.mark.parametrize("target", ["rating", "like"])
@pytest.mark.parametrize("model", MODELS)
def test_preset_best_runs_for_every_model_and_target(model: str, target: str, log, tmp_path: Path) -> None:
    small = {"sweeps": 4, "burn_in": 2, "epochs": 2, "top_epochs": 1, "sample_factors": 4}
    estimator = ESTIMATORS[model](preset("best", model, target), **small)
    metrics = train(Run(estimator, "random", False, tmp_path / "build", tmp_path / "runs"), log)
    assert metrics["settings"]["target"] == target
    assert ("rmse" in metrics["test"]) == (target == "rating")
    assert metrics["test"]["auc"] > 0.6  # after four sweeps or two epochs
    assert metrics["test"]["ece"] < 0.15


@pytest.mark.slow
@pytest.mark.parametrize(("model", "most"), [("mf", 0.905), ("fm", 0.882)])
def test_preset_best_on_movielens_100k(model: str, most: float, tmp_path: Path) -> None:
    estimator = ESTIMATORS[model](preset("best", model))
    metrics = train(Run(estimator, "u1", False, tmp_path / "build", tmp_path / "runs"), load("ml-100k"))
    assert most - 0.02 < metrics["test"]["rmse"] < most


def test_a_run_leaves_logs_and_a_picture_of_its_losses(log, tmp_path: Path) -> None:
    run("mf", tmp_path, log)
    (folder,) = (tmp_path / "runs/mf").iterdir()
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert list(folder.glob("events.out.tfevents.*"))


def test_test_rows_given_apart_touch_nothing_else(log, tmp_path: Path) -> None:
    given = tmp_path / "test.csv"
    turned = log.ratings.iloc[:100].assign(rating=lambda table: 6 - table["rating"])
    turned.to_csv(given, index=False)
    test = read_pairs(given, log, allow_overlap=True)
    without = run("mf", tmp_path / "without", log, test=test.iloc[:0])
    beside = run("mf", tmp_path / "with", log, test=test)
    assert beside["test"]["rows"] == 100
    assert any("100 of the 100 test rows are in the log too" in warning for warning in beside["warnings"])
    assert beside["validation"] == without["validation"]
    assert without["validation"]["rows"] == 100
    files = {path.name for path in (tmp_path / "with/build/mf").iterdir()} - {"metrics.json", "report.json"}
    assert {"mf.pt", "item_encodings.npy", "seen_rows.npy"} <= files
    for name in files:
        both = [(tmp_path / f"{folder}/build/mf/{name}").read_bytes() for folder in ("with", "without")]
        assert both[0] == both[1], name


def test_test_ids_that_the_log_does_not_know_are_cold(log, tmp_path: Path) -> None:
    given = log.ratings.iloc[:10].assign(user_id=999_999)
    metrics = run("mf", tmp_path, log, test=given)
    assert metrics["test"]["cold_users"]["rows"] == 10
    liked = run("deepfm", tmp_path, log, test=given)["test"]["cold_users"]
    assert liked["rows"] == 10
    assert liked["log_loss"] < np.log(2)  # better than even chances


def test_ratings_cannot_be_fitted_to_a_log_of_likes(log, tmp_path: Path) -> None:
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    with pytest.raises(DataError, match="--target like"):
        run("mf", tmp_path, likes)


def test_a_log_of_likes_trains_deepfm(tmp_path: Path) -> None:
    log = generate(seed=4, users=100, movies=80, ratings=2000).log
    likes = dataclasses.replace(log, ratings=log.ratings[["user_id", "movie_id"]])
    metrics = run("deepfm", tmp_path, likes, epochs=25, learning_rate=0.02, decay=0.001, feature_decay=0.001)
    assert metrics["test"]["auc"] > 0.6


def test_movies_without_ratings_are_in_the_catalogue(log, tmp_path: Path) -> None:
    rated = log.movies["movie_id"].iloc[:30]
    fewer = log.with_rows(log.ratings["movie_id"].isin(rated).to_numpy())
    run("fm", tmp_path, fewer)
    assert list(ids_in(tmp_path / "build/fm", MOVIES)) == sorted(log.movies["movie_id"].tolist())
