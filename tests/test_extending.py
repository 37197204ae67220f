"""A new model by docs/extending.md alone: a network and an estimator, and the rest of the project works with them.

The page asks for presets too; without them the defaults of ``Settings`` hold.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archives.pack import archive
from handlers.recommender.loading import load_service
from tests.conftest import Planted
from training.estimators import TwoEncoderEstimator
from training.export import export
from training.models import Side, TwoEncoder
from training.report import write
from training.train import Run, train


class NCFNetwork(TwoEncoder):
    """Neural collaborative filtering: He, Liao, Zhang, Nie, Hu and Chua, WWW 2017. A perceptron over two embeddings.

    Its first layer is linear in the two side by side, so each side is encoded by its own half of that layer.
    """

    uses_features = False

    def __init__(self, users: Side, items: Side, mean: float, hidden: int) -> None:
        super().__init__(users, items, mean)
        self.first_users = nn.Linear(users.n_factors, hidden, bias=False)
        self.first_items = nn.Linear(items.n_factors, hidden)
        self.last = nn.Linear(hidden, 1, bias=False)

    @torch.jit.export
    def encode_users(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        return self.first_users(embeddings[:, :-1])

    @torch.jit.export
    def encode_items(self, embeddings: Tensor, features: Tensor, weights: Tensor) -> Tensor:
        return self.first_items(embeddings[:, :-1])

    @torch.jit.export
    def score_pairs(self, users: Tensor, items: Tensor) -> Tensor:
        return self.last(torch.relu(users + items)).squeeze(1) + self.mean

    @torch.jit.export
    def score_all(self, users: Tensor, items: Tensor) -> Tensor:
        return self.last(torch.relu(users.unsqueeze(1) + items)).squeeze(2) + self.mean


class NCF(TwoEncoderEstimator):
    """The same as an estimator, fitted by gradient descent."""

    name, title = "ncf", "Neural Collaborative Filtering"
    network_type = NCFNetwork

    def build(self, users: Side, movies: Side, mean: float) -> NCFNetwork:
        return NCFNetwork(users, movies, mean, hidden=self.settings.hidden[0])


SETTINGS = {"n_factors": 16, "epochs": 60, "patience": 10, "learning_rate": 0.02, "decay": 0.0005}


@pytest.fixture(scope="module")
def built(planted: Planted, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """``build/`` with the new model, and its metrics."""
    folder = tmp_path_factory.mktemp("extended")
    estimator = NCF(**SETTINGS)
    metrics = train(Run(estimator, "random", True, folder / "build", folder / "runs"), planted.log)
    return folder / "build", metrics


def test_it_learns(built: tuple[Path, dict], planted: Planted) -> None:
    spread = float(planted.log.ratings["rating"].std())
    rmse = built[1]["test"]["rmse"]
    # Of the distance from a constant to the planted truth, at least half.
    assert spread - rmse > 0.5 * (spread - planted.truth.best_rmse), rmse


def test_it_is_archived_and_answers_alone(built: tuple[Path, dict], tmp_path: Path) -> None:
    # An archive is asked in a process that sees nothing of this project before it is moved into the store.
    assert archive("ncf", "1.0", built[0], tmp_path) == tmp_path / "ncf-1.0.mar"


def test_the_service_answers_what_the_estimator_predicts(planted: Planted, tmp_path: Path) -> None:
    estimator = NCF(**SETTINGS).fit(planted.log)
    export(tmp_path / "ncf", estimator, planted.log, estimator.train, metrics={})
    service = load_service(tmp_path / "ncf")
    user, movies = int(planted.log.ratings["user_id"].iloc[0]), planted.log.movies["movie_id"].tolist()
    pairs, listed = (
        json.loads(answer.body)
        for answer in service.answer(
            [
                json.dumps({"instances": [{"user_id": user, "movie_id": movie} for movie in movies]}).encode(),
                json.dumps({"user_id": user, "k": 5}).encode(),
            ]
        )
    )
    scores = [answer["score"] for answer in pairs["predictions"]]
    np.testing.assert_allclose(scores, estimator.predict([user] * len(movies), movies), atol=1e-5)
    expected = estimator.recommend([user], k=5)
    assert [entry["movie_id"] for entry in listed["recommendations"]] == expected["movie_id"].tolist()
    np.testing.assert_allclose([entry["score"] for entry in listed["recommendations"]], expected["score"], atol=1e-5)


def test_somebody_new_and_the_unknown_are_answered(built: tuple[Path, dict], planted: Planted) -> None:
    """Folding in and the unknown row need nothing of the network but its encoders."""
    service = load_service(built[0] / "ncf")
    best, worst = (
        planted.log.ratings.groupby("movie_id")["rating"].mean().sort_values().index[place] for place in (-1, 0)
    )
    rated = {"ratings": [{"movie_id": int(best), "rating": 5}, {"movie_id": int(worst), "rating": 1}]}
    bodies = [rated | {"movie_id": int(movie)} for movie in (best, worst)] + [{"user_id": -1, "movie_id": int(best)}]
    answers = [json.loads(answer.body) for answer in service.answer([json.dumps(body).encode() for body in bodies])]
    assert answers[0]["score"] > answers[1]["score"]
    assert 1 < answers[2]["score"] < 5


def test_it_has_a_report(built: tuple[Path, dict], tmp_path: Path) -> None:
    assert "ncf" in write("ncf", built[0], tmp_path).read_text()
