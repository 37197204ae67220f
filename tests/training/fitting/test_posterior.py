"""The average of samples as a network."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from tests.training.fits import fitted, quick, raw_scores, rmse
from training.data import RatingsLog
from training.errors import SettingsError
from training.fitting import posterior
from training.fitting.write import write_side
from training.interactions import encode
from training.models import Side


def test_gibbs_refuses_what_it_cannot_fit(log_and_truth, parts) -> None:
    with pytest.raises(SettingsError, match="--method adam"):
        fitted("mf", log_and_truth[0], quick("mf", target="like", method="gibbs"), parts[0])


@pytest.mark.parametrize("ratings_as", ["numbers", "levels"])
def test_a_sampler_without_burn_in_has_a_finite_loss(log_and_truth, parts, ratings_as: str) -> None:
    estimator = fitted("mf", log_and_truth[0], quick("mf", ratings_as=ratings_as, burn_in=0, sweeps=5), parts[0])
    assert np.isfinite(estimator.losses["train"]).all()
    assert np.isfinite(estimator.link.noise_std)


def test_movies_without_ratings_do_not_change_what_is_predicted(log_and_truth, many_unrated, parts) -> None:
    ratings = log_and_truth[0].ratings["rating"].to_numpy()[parts[2]]
    errors = []
    for log in (log_and_truth[0], many_unrated):
        # Few ratings, so that the prior counts: 12,000 movies at its mean took 6 % more error.
        estimator = fitted("mf", log, quick("mf"), parts[0][::4])
        errors.append(rmse(raw_scores(estimator, log, parts[2]), ratings))
    assert errors[1] < 1.025 * errors[0]


def test_somebody_without_ratings_is_predicted_as_well_by_a_fit_with_histories(log_and_truth) -> None:
    """Nearly as well as by one without histories; with an empty one in place of an unknown one 7 % worse."""
    log = log_and_truth[0]
    new = np.isin(log.ratings["user_id"], log.users["user_id"][::4])
    train, test = np.flatnonzero(~new), np.flatnonzero(new)
    ratings, errors = log.ratings["rating"].to_numpy()[test], {}
    for history in (False, True):
        estimator = fitted("fm", log, quick("fm", user_history=history), train)
        errors[history] = rmse(raw_scores(estimator, log, test), ratings)
    assert errors[True] < 1.04 * errors[False]


def test_a_feature_value_that_no_rated_movie_has_leaves_the_samples_scores(log_and_truth) -> None:
    """Its embedding becomes the mean of the others', and what the samples say of a movie with it stays."""
    log = log_and_truth[0]
    unseen = log.movies.iloc[:1].assign(movie_id=1_000_000, genres="Opera")
    interactions = encode(dataclasses.replace(log, movies=pd.concat([log.movies, unseen], ignore_index=True)), True)
    side = Side(len(interactions.movies.vocabulary), [field.size for field in interactions.movies.schema.fields], 4)
    rows = len(interactions.movies.vocabulary) + interactions.movies.schema.size
    table = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        write_side(side, interactions.movies, table, True, interactions.movie_rows)
        features, weights = (
            torch.from_numpy(table) for table in (interactions.movies.features, interactions.movies.weights)
        )
        vectors, biases = side.fm_half(side.embeddings.weight, features, weights)
    torch.testing.assert_close(vectors, table[: len(features), :4], atol=1e-5, rtol=0)
    torch.testing.assert_close(biases, table[: len(features), 4], atol=1e-5, rtol=0)
    (genres,) = (field for field in interactions.movies.schema.fields if field.name == "genres")
    opera = genres.offset + 1 + genres.values.index("Opera")
    assert not torch.allclose(side.features.weight[opera], table[len(features) + opera])


@pytest.fixture(scope="module")
def skewed(log_and_truth) -> RatingsLog:
    """The planted log with cut points of its own: half of all ratings are the best, and one step is a large one."""
    log, truth = log_and_truth
    rng = np.random.default_rng(0)
    places = [
        side[f"{name}_id"].to_numpy().searchsorted(log.ratings[f"{name}_id"])
        for name, side in (("user", log.users), ("movie", log.movies))
    ]
    noisy = truth.level(*places) + rng.normal(0, truth.noise, len(log))
    levels = np.array([1.0, 2.0, 4.0, 5.0], np.float32)
    cuts = np.quantile(noisy, [0.05, 0.25, 0.5])
    return dataclasses.replace(log, ratings=log.ratings.assign(rating=levels[np.searchsorted(cuts, noisy)]))


def error(log: RatingsLog, parts, model: str, ratings_as: str) -> float:
    settings, errors = quick(model, ratings_as=ratings_as, sweeps=50, burn_in=15), []
    for seed in range(2):
        estimator = fitted(model, log, settings, parts[0], seed=seed)
        raw = torch.from_numpy(raw_scores(estimator, log, parts[2]))
        errors.append(rmse(estimator.link.inverse_link(raw).numpy(), log.ratings["rating"].to_numpy()[parts[2]]))
    return float(np.mean(errors))


@pytest.mark.parametrize("model", ["mf", "fm"])
def test_levels_beat_numbers_where_the_steps_are_uneven(model: str, skewed: RatingsLog, parts) -> None:
    assert error(skewed, parts, model, "levels") < 0.993 * error(skewed, parts, model, "numbers")


def test_too_many_levels_are_refused(log_and_truth, parts) -> None:
    log = log_and_truth[0]
    many = np.random.default_rng(0).random(len(log)).astype(np.float32)
    continuous = dataclasses.replace(log, ratings=log.ratings.assign(rating=many))
    with pytest.raises(SettingsError, match="--ratings-as numbers"):
        fitted("mf", continuous, quick("mf", ratings_as="levels"), parts[0])


@pytest.mark.parametrize(("share", "samples"), [(0.0, 60), (100.0, posterior.LEAST_SAMPLES)])
def test_a_fit_stops_when_more_samples_would_change_little(
    share: float, samples: int, log_and_truth, parts, monkeypatch
) -> None:
    monkeypatch.setattr(posterior, "MONTE_CARLO_SHARE", share)
    estimator = fitted("mf", log_and_truth[0], quick("mf", sweeps=30, burn_in=2), parts[0])
    assert len(estimator.losses["train"]) == samples


def test_the_variance_of_an_average_is_found_from_its_halves(log_and_truth) -> None:
    """Independent samples, whose biases have a known variance: the average of n has an n-th of it."""
    interactions = encode(log_and_truth[0], False)
    sampler = posterior.gibbs.Sampler.of(interactions, quick("mf"), 0, False)
    generator, spread, count = torch.Generator().manual_seed(0), 0.5, 40
    predictions = posterior._Predictions(interactions, sampler)
    nothing = torch.zeros(1, 2)
    for _ in range(count):
        users = torch.zeros(interactions.shape[0], 2)
        users[:, 1] = spread * torch.randn(len(users), generator=generator)
        predictions.add(posterior.Sample(users, torch.zeros(interactions.shape[1], 2), nothing, nothing))
    share = spread**2 / count / sampler.likelihood.error
    assert predictions.is_exact_to(1.4 * share)
    assert not predictions.is_exact_to(0.6 * share)
