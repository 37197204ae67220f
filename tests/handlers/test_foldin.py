"""Folding in a new user, and explaining lists, against the textbook formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from handlers.recommender.model.foldin import Prior, prior_of, solve
from handlers.recommender.model.link import Link, Logistic, Ordinal, Regression
from tests.conftest import MODELS

NOISE = 0.7
LINKS: dict[str, Link] = {
    "regression": Regression(-5, 5, NOISE),
    "logistic": Logistic(0.1),
    "ordinal": Ordinal((-1.0, 0.0, 1.0), (-0.5, 0.5), NOISE**0.5),
}


def planted_regression():
    generator = torch.Generator().manual_seed(0)
    design = torch.randn(12, 4, generator=generator)
    root = torch.randn(4, 4, generator=generator)
    prior = Prior(torch.randn(4, generator=generator), root @ root.T + torch.eye(4))
    ratings = torch.randn(12, generator=generator)
    return design, prior, ratings


def test_linear_scores_give_the_regularised_least_squares_solution() -> None:
    design, prior, ratings = planted_regression()
    found = solve(lambda own: (own * design).sum(1), prior, ratings, LINKS["regression"]).own
    left = design.T @ design / NOISE + prior.precision
    right = design.T @ ratings / NOISE + prior.precision @ prior.mean
    torch.testing.assert_close(found, torch.linalg.solve(left, right))


@pytest.mark.parametrize("name", LINKS)
def test_solutions_are_the_maximum_of_the_posterior(name: str) -> None:
    design, prior, ratings = planted_regression()
    found = solve(lambda own: (own * design).sum(1), prior, ratings, LINKS[name]).own.clone().requires_grad_()
    loss = LINKS[name].negative_log_likelihood(design @ found, ratings) + 0.5 * (
        found - prior.mean
    ) @ prior.precision @ (found - prior.mean)
    (gradient,) = torch.autograd.grad(loss, found)
    assert gradient.abs().max() < 0.05


def test_pulls_add_up_to_the_way_from_the_prior() -> None:
    design, prior, ratings = planted_regression()
    for link in LINKS.values():
        solution = solve(lambda own: (own * design).sum(1), prior, ratings, link)
        way = torch.linalg.solve(solution.precision, solution.pulls.sum(0))
        torch.testing.assert_close(solution.own - prior.mean, way, atol=2e-2, rtol=2e-2)


def test_no_ratings_leave_the_prior_mean() -> None:
    _, prior, _ = planted_regression()
    found = solve(lambda own: own.sum(1), prior, torch.zeros(0), LINKS["regression"])
    torch.testing.assert_close(found.own, prior.mean)


def test_the_prior_is_the_users_mean_and_covariance() -> None:
    own = np.random.default_rng(0).normal(size=(5000, 3)) @ np.array([[2.0, 0, 0], [1, 1, 0], [0, 0, 3]]) + [1, 2, 3]
    prior = prior_of(own)
    np.testing.assert_allclose(prior.mean, own.mean(axis=0), rtol=1e-5)
    covariance = np.cov(own.T)
    ridge = 0.1 * np.trace(covariance) / 3
    np.testing.assert_allclose(np.linalg.inv(prior.precision), covariance + ridge * np.eye(3), rtol=1e-3)


@pytest.mark.parametrize("model", MODELS)
class TestExplanations:
    def entries(self, answer, model: str, who: dict) -> list[dict]:
        (body,) = answer(model, [who | {"k": 8, "explain": True}])
        assert body.code == 200
        return json.loads(body.body)["recommendations"]

    def test_shares_add_up_to_the_personal_part(self, answer, model: str, planted) -> None:
        user = int(planted.log.ratings["user_id"].iloc[0])
        movies = planted.log.movies["movie_id"].iloc[:4].tolist()
        given = {"ratings": [{"movie_id": one, "rating": rating} for one, rating in zip(movies, (5, 1, 4, 2))]}
        for who in ({"user_id": user}, given, {"user_id": "nobody"}):
            for entry in self.entries(answer, model, who):
                shares = [reason["share"] for reason in entry["because"]]
                assert sum(shares) == pytest.approx(entry["personal"], abs=1e-5)
                assert entry["because"][-1].keys() == {"remainder", "share"}

    def test_the_personal_part_is_what_the_number_has_over_that_of_somebody_unknown(self, answer, model, planted):
        user = int(planted.log.ratings["user_id"].iloc[0])
        for entry in self.entries(answer, model, {"user_id": user}):
            pair = {"user_id": "nobody", "movie_id": entry["movie_id"]}
            unknown = json.loads(answer(model, [pair])[0].body)["score"]
            if model == "deepfm":
                logits = np.log([one / (1 - one) for one in (entry["score"], unknown)])
                assert logits[0] - logits[1] == pytest.approx(entry["personal"], abs=1e-3)
            elif entry["score"] < 5:
                assert entry["score"] - unknown == pytest.approx(entry["personal"], abs=1e-4)

    def test_a_rating_turned_round_turns_its_share_round(self, answer, model: str, planted) -> None:
        first, second = planted.log.ratings["movie_id"].value_counts().index[:2].tolist()
        some = planted.log.movies["movie_id"].iloc[:30].tolist()
        shares = []
        for rating in (5, 1):
            given = {"ratings": [{"movie_id": first, "rating": rating}, {"movie_id": second, "rating": 3.5}]}
            entries = self.entries(answer, model, given | {"candidates": some})
            shares.append({
                entry["movie_id"]: reason["share"]
                for entry in entries for reason in entry["because"] if reason.get("movie_id") == first
            })  # fmt: skip
        both = shares[0].keys() & shares[1].keys()
        assert both
        assert all(shares[0][movie] * shares[1][movie] < 0 for movie in both)


def test_mf_shares_are_the_ridge_regressions(answer, recommenders, planted) -> None:
    """``q_i' A^-1 q_j residual_j``, with numpy from the archive's arrays alone."""
    archive = recommenders["mf"].archive
    movies = planted.log.movies["movie_id"].iloc[:3].tolist()
    ratings = [5.0, 1.0, 4.0]
    given = {"ratings": [{"movie_id": one, "rating": rating} for one, rating in zip(movies, ratings)]}
    (body,) = answer("mf", [given | {"k": 5, "explain": True}])
    items = archive.arrays["item_encodings"].double().numpy()
    width = archive.metadata.width
    design = np.column_stack([items[:, :width], np.ones(len(items))])
    rated = [archive.movies.row(one) for one in movies]
    mean = float(archive.network.mean)
    prior = archive.prior.mean.double().numpy()
    residual = np.array(ratings) - (mean + items[rated, -1] + design[rated] @ prior)
    noise = archive.metadata.prior_noise
    precision = design[rated].T @ design[rated] / noise + archive.prior.precision.double().numpy()
    for entry in json.loads(body.body)["recommendations"]:
        row = archive.movies.row(entry["movie_id"])
        expected = design[row] @ np.linalg.solve(precision, design[rated].T * residual / noise)
        shares = {reason["movie_id"]: reason["share"] for reason in entry["because"] if "movie_id" in reason}
        assert [shares[one] for one in movies] == pytest.approx(expected.tolist(), abs=1e-3)
