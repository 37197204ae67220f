"""Fits find what was planted, repeatably, and know what they cannot know."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from training.config import Settings, preset
from training.data import RatingsLog, generate
from training.dataset import Dataset, encode, feature_matrix
from training.errors import SettingsError
from training.fitting import Batches, DivergedError, adam, build, fit, gibbs, observation, posterior, with_best_epoch
from training.models import NETWORKS, Side

MODELS = list(NETWORKS)


def quick(model: str, target: str = "rating", **settings) -> Settings:
    return dataclasses.replace(preset("quick", model, target), **settings)


@pytest.fixture(scope="module")
def log_and_truth():
    made = generate(seed=5, users=200, movies=120, ratings=12_000)
    return made.log, made.truth


@pytest.fixture(scope="module")
def parts():
    order = np.random.default_rng(0).permutation(12_000)
    return np.sort(order[:9000]), np.sort(order[9000:10_500]), np.sort(order[10_500:])


def fitted(model: str, log, settings: Settings, train: np.ndarray, validation: np.ndarray | None = None, seed: int = 0):
    dataset = encode(log, NETWORKS[model].uses_features)
    network = build(model, dataset, train, settings, seed)
    found = fit(network, dataset, train, validation, settings, seed)
    return network, dataset, found


@torch.no_grad()
def predict(network, dataset: Dataset, rows: np.ndarray, user=None, movie=None) -> np.ndarray:
    batches = Batches(dataset, rows, Settings(), torch.device("cpu"))
    users = batches.users if user is None else torch.full_like(batches.users, user)
    movies = batches.movies if movie is None else torch.full_like(batches.movies, movie)
    return batches.scores(network, users, movies).numpy()


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    return float(np.sqrt(np.square(predicted - actual).mean()))


def gradients(network, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    loss.backward()
    return {name: one.grad.clone() for name, one in network.named_parameters() if one.grad is not None}


@pytest.fixture(scope="module")
def fits(log_and_truth, parts):
    """Each model fitted to ratings, once for all tests that look at it."""

    @functools.cache
    def of(model: str):
        settings = quick(model, decay=0.02, feature_decay=0.02, learning_rate=0.01)
        return fitted(model, log_and_truth[0], settings, parts[0], parts[1])

    return of


@pytest.mark.parametrize("model", MODELS)
class TestEveryModel:
    def test_comes_near_the_best_possible_prediction(self, model: str, fits, log_and_truth, parts) -> None:
        log, truth = log_and_truth
        network, dataset, _ = fits(model)
        ratings = log.ratings["rating"].to_numpy()
        error = rmse(predict(network, dataset, parts[2]), ratings[parts[2]])
        spread = ratings[parts[2]].std()
        # Of the distance from a constant to the planted truth, at least three quarters.
        assert spread - error > 0.75 * (spread - truth.best_rmse), (spread, error, truth.best_rmse)

    def test_who_is_encoded_once_has_the_gradients_of_each_row_alone(self, model: str, log_and_truth) -> None:
        settings = quick(model, decay=0.03, feature_decay=0.02)
        dataset = encode(log_and_truth[0], NETWORKS[model].uses_features)
        network = build(model, dataset, np.arange(len(dataset)), settings, 0).double().eval()
        batches = Batches(dataset, np.arange(300), settings, torch.device("cpu"))
        users, movies = batches.users, batches.movies
        sides = (
            (batches.user_features[users], batches.user_weights[users].double()),
            (batches.movie_features[movies], batches.movie_weights[movies].double()),
        )
        batches.user_weights, batches.movie_weights = batches.user_weights.double(), batches.movie_weights.double()
        own = network.own_users(users), network.own_items(movies)
        scores = network.score_pairs(network.encode_users(own[0], *sides[0]), network.encode_items(own[1], *sides[1]))
        shrunk = settings.decay * (own[0].square().sum() + own[1].square().sum())
        for side, (features, weights) in zip((network.users, network.items), sides, strict=True):
            if network.uses_features:
                squares = side.features(features).square().sum(2)
                shrunk = shrunk + settings.feature_decay * (squares * weights).sum()
        expected = gradients(network, scores.square().mean() + shrunk / len(users))
        gradients(network, batches.scores(network, users, movies).square().mean())
        adam.shrink(network, batches, users, movies, settings)
        found = {name: one.grad for name, one in network.named_parameters() if one.grad is not None}
        assert found.keys() == expected.keys()
        for name, gradient in found.items():
            torch.testing.assert_close(gradient, expected[name])

    def test_an_unknown_user_is_no_worse_off_than_with_the_movies_mean(self, model, fits, log_and_truth, parts) -> None:
        network, dataset, _ = fits(model)
        ratings = log_and_truth[0].ratings["rating"].to_numpy()
        error = rmse(predict(network, dataset, parts[2], user=0), ratings[parts[2]])
        assert error < 1.01 * rmse(mean_by(dataset.movie_rows, ratings, parts), ratings[parts[2]])

    def test_an_unknown_movie_is_no_worse_off_than_with_the_users_mean(self, model, fits, log_and_truth, parts) -> None:
        network, dataset, _ = fits(model)
        ratings = log_and_truth[0].ratings["rating"].to_numpy()
        error = rmse(predict(network, dataset, parts[2], movie=0), ratings[parts[2]])
        assert error < 1.02 * rmse(mean_by(dataset.user_rows, ratings, parts), ratings[parts[2]])

    def test_the_same_seed_gives_the_same_network_and_another_seed_another(self, model, log_and_truth, parts) -> None:
        settings = quick(model, sweeps=3, burn_in=1, epochs=2)
        first, second, other = (
            fitted(model, log_and_truth[0], settings, parts[0], seed=seed)[0].state_dict() for seed in (1, 1, 2)
        )
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not torch.equal(first["users.own.weight"], other["users.own.weight"])

    def test_fits_likes(self, model, log_and_truth, parts) -> None:
        log = log_and_truth[0]
        settings = quick(model, "like", learning_rate=0.01)
        network, dataset, _ = fitted(model, log, settings, parts[0], parts[1])
        likes = log.ratings["rating"].to_numpy()[parts[2]] > 3
        scores = predict(network, dataset, parts[2])
        assert scores[likes].mean() > scores[~likes].mean() + 0.5

    def test_fits_a_log_of_likes_alone(self, model, log_and_truth, parts) -> None:
        log = log_and_truth[0]
        liked = log.with_rows(log.ratings["rating"].to_numpy() > 3.5)
        liked = dataclasses.replace(liked, ratings=liked.ratings[["user_id", "movie_id"]])
        settings = quick(model, "like", epochs=25, decay=0.001, feature_decay=0.001, learning_rate=0.02)
        network, dataset, _ = fitted(model, liked, settings, np.arange(len(liked)))
        drawn = np.random.default_rng(0).integers(1, len(dataset.movies.vocabulary), len(liked))
        at_random = dataclasses.replace(dataset, movie_rows=drawn)
        everything = np.arange(len(liked))
        assert predict(network, dataset, everything).mean() > predict(network, at_random, everything).mean() + 0.3


def mean_by(rows: np.ndarray, ratings: np.ndarray, parts) -> np.ndarray:
    """Each test row's mean rating of its user (or movie) in training; the overall mean where there is none."""
    train, _, test = parts
    counts = np.bincount(rows[train], minlength=rows.max() + 1)
    sums = np.bincount(rows[train], ratings[train], minlength=rows.max() + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), ratings[train].mean())
    return means[rows[test]]


def test_early_stopping_keeps_the_best_epoch(log_and_truth, parts) -> None:
    settings = quick("deepfm", method="adam", epochs=30, decay=0.0, feature_decay=0.0, learning_rate=0.05, patience=2)
    network, dataset, found = fitted("deepfm", log_and_truth[0], settings, parts[0], parts[1])
    curves = found.curves
    assert len(curves.train) == curves.best_epoch + 2 < 30
    ratings = log_and_truth[0].ratings["rating"].to_numpy()
    loss = rmse(predict(network, dataset, parts[1]), ratings[parts[1]]) ** 2
    assert loss == pytest.approx(min(curves.validation), rel=1e-3)


@pytest.mark.parametrize("patience", [1, 3])
def test_every_epoch_is_told_the_worse_ones_too(log_and_truth, parts, patience: int) -> None:
    settings = quick("mf", method="adam", epochs=30, decay=0.0, learning_rate=0.05, patience=patience)
    dataset = encode(log_and_truth[0], False)
    network, told = build("mf", dataset, parts[0], settings, 0), []
    found = fit(network, dataset, parts[0], parts[1], settings, 0, lambda *losses: told.append(losses))
    assert len(found.curves.validation) == found.curves.best_epoch + patience < 30
    assert [validation for _, _, validation in told] == found.curves.validation


def test_a_fit_without_validation_rows_goes_the_way_of_the_one_that_chose_its_epochs(log_and_truth, parts) -> None:
    settings = quick("deepfm", method="adam", epochs=30, decay=0.0, feature_decay=0.0, learning_rate=0.02, patience=2)
    stopped, dataset, found = fitted("deepfm", log_and_truth[0], settings, parts[0], parts[1])
    assert found.curves.best_epoch < 30
    again = with_best_epoch(stopped, dataset, settings, found.curves)
    network, _, _ = fitted("deepfm", log_and_truth[0], again, parts[0])
    for name, weights in stopped.state_dict().items():
        assert torch.equal(weights, network.state_dict()[name]), name


def test_a_loss_that_is_not_finite_stops_the_run(log_and_truth, parts) -> None:
    with pytest.raises(DivergedError, match="learning-rate"):
        fitted("deepfm", log_and_truth[0], quick("deepfm", method="adam", learning_rate=1e18), parts[0])


def test_gibbs_refuses_what_it_cannot_fit(log_and_truth, parts) -> None:
    with pytest.raises(SettingsError, match="--method adam"):
        fitted("mf", log_and_truth[0], quick("mf", target="like", method="gibbs"), parts[0])


@pytest.mark.parametrize("ratings_as", ["numbers", "levels"])
def test_a_sampler_without_burn_in_has_a_finite_loss(log_and_truth, parts, ratings_as: str) -> None:
    settings = quick("mf", ratings_as=ratings_as, burn_in=0, sweeps=5)
    _, _, found = fitted("mf", log_and_truth[0], settings, parts[0])
    assert np.isfinite(found.curves.train).all()
    assert np.isfinite(found.link.spread)


class TestWithoutRatings:
    """Users and movies that nobody has rated follow the prior, and do not shape it."""

    @pytest.fixture(scope="class")
    @staticmethod
    def many_unrated(log_and_truth) -> RatingsLog:
        """The log, with 12,000 further movies in the movies file."""
        log = log_and_truth[0]
        further = log.movies.iloc[np.arange(12_000) % len(log.movies)]
        further = further.assign(movie_id=1_000_000 + np.arange(12_000))
        return dataclasses.replace(log, movies=pd.concat([log.movies, further], ignore_index=True))

    def test_they_do_not_change_what_is_predicted(self, log_and_truth, many_unrated, parts) -> None:
        ratings = log_and_truth[0].ratings["rating"].to_numpy()[parts[2]]
        errors = []
        for log in (log_and_truth[0], many_unrated):
            # Few ratings, so that the prior counts: 12,000 movies at its mean took 6 % more error.
            network, dataset, _ = fitted("mf", log, quick("mf"), parts[0][::4])
            errors.append(rmse(predict(network, dataset, parts[2]), ratings))
        assert errors[1] < 1.025 * errors[0]

    def test_the_variance_of_the_prior_is_that_of_the_rated(self, log_and_truth, many_unrated) -> None:
        variances = []
        for log in (log_and_truth[0], many_unrated):
            dataset = encode(log, False)
            sampler = gibbs.Sampler(dataset, np.arange(len(dataset)), quick("mf", sweeps=30), 0, False)
            variances.append(
                np.mean([np.trace(np.linalg.inv(sampler.movies.precision)) for _ in sampler], dtype=np.float64)
            )
        assert variances[1] == pytest.approx(variances[0], rel=0.15)

    def test_their_embedding_is_the_mean_of_the_prior(self, many_unrated) -> None:
        dataset = encode(many_unrated, True)
        sampler = gibbs.Sampler(dataset, np.arange(len(dataset)), quick("fm", sweeps=2, burn_in=1), 0, True)
        *_, sample = sampler
        movies = sampler.movies
        unrated = np.setdiff1d(np.arange(len(sample.movies)), movies.rated)
        effects = feature_matrix(dataset.movies)[unrated] @ movies.coefficients()
        np.testing.assert_allclose(sample.movies[unrated], movies.mean + effects, atol=1e-4)

    def test_they_take_no_part_in_the_histories_decomposition(self, many_unrated) -> None:
        dataset = encode(many_unrated, True)
        sampler = gibbs.Sampler(dataset, np.arange(len(dataset)), quick("fm"), 0, True)
        rated = len(np.unique(dataset.movie_rows))
        _, histories = sampler.users.blocks
        assert len(histories.singular) <= rated
        assert histories.right.shape == (len(histories.singular), len(dataset.movies.vocabulary))
        unrated = np.setdiff1d(np.arange(len(dataset.movies.vocabulary)), dataset.movie_rows)
        assert not histories.right[:, unrated].any()
        product = (histories.left * histories.singular) @ histories.right
        np.testing.assert_allclose(product, histories.features[sampler.users.rated].toarray(), atol=1e-4)

    def test_a_feature_value_that_no_rated_movie_has_leaves_the_samples_scores(self, log_and_truth) -> None:
        """Its embedding becomes the mean of the others', and what the samples say of a movie with it stays."""
        log = log_and_truth[0]
        unseen = log.movies.iloc[:1].assign(movie_id=1_000_000, genres="Opera")
        dataset = encode(dataclasses.replace(log, movies=pd.concat([log.movies, unseen], ignore_index=True)), True)
        side = Side(len(dataset.movies.vocabulary), [one.size for one in dataset.movies.schema.fields], 4)
        rows = len(dataset.movies.vocabulary) + dataset.movies.schema.size
        table = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            posterior._write_side(side, dataset.movies, table, True, dataset.movie_rows)
            features, weights = (torch.from_numpy(one) for one in (dataset.movies.features, dataset.movies.weights))
            vectors, biases = side.fm_half(side.own.weight, features, weights)
        torch.testing.assert_close(vectors, table[: len(features), :4], atol=1e-5, rtol=0)
        torch.testing.assert_close(biases, table[: len(features), 4], atol=1e-5, rtol=0)
        (genres,) = (one for one in dataset.movies.schema.fields if one.name == "genres")
        opera = genres.offset + 1 + genres.values.index("Opera")
        assert not torch.allclose(side.features.weight[opera], table[len(features) + opera])


class TestAveraging:
    def samples(self) -> list[gibbs.Sample]:
        rng = np.random.default_rng(0)
        return [
            gibbs.Sample(*(rng.normal(size=(rows, 4)) for rows in (30, 40, 5, 6)))
            for _ in range(8)
        ]  # fmt: skip

    def mean_score(self, samples) -> np.ndarray:
        return np.mean(
            [one.users[:, :-1] @ one.movies[:, :-1].T + one.users[:, -1:] + one.movies[:, -1] for one in samples],
            axis=0,
        )

    def test_one_long_factorization_is_the_average_of_all(self) -> None:
        samples, average = self.samples(), posterior.Average(30, np.arange(30), np.arange(40))
        for sample in samples:
            average.add(sample)
        users, movies = average.embeddings()
        users, movies = users[:30], movies[:40]
        scores = users[:, :-1] @ movies[:, :-1].T + users[:, -1:] + movies[:, -1]
        np.testing.assert_allclose(scores, self.mean_score(samples), atol=1e-9)

    def test_a_long_average_loses_nothing_on_the_way(self) -> None:
        """The columns of 60 samples are cut several times before the last of them is added."""
        rng = np.random.default_rng(0)
        samples = [gibbs.Sample(*(rng.normal(size=(rows, 17)) for rows in (300, 320, 1, 1))) for _ in range(60)]
        average = posterior.Average(300, np.arange(300), np.arange(320))
        for sample in samples:
            average.add(sample)
        users, movies = (table[:-1] for table in average.embeddings())
        scores = users[:, :-1] @ movies[:, :-1].T + users[:, -1:] + movies[:, -1]
        np.testing.assert_allclose(scores, self.mean_score(samples), atol=1e-6)

    def test_cutting_is_the_best_approximation_of_that_width(self) -> None:
        rng = np.random.default_rng(1)
        left, right = rng.normal(size=(30, 12)), rng.normal(size=(40, 12))
        to_left, to_right = posterior.balanced(left, right, 5)
        first, singular, second = np.linalg.svd(left @ right.T)
        best = first[:, :5] * singular[:5] @ second[:5]
        np.testing.assert_allclose(left @ to_left @ (right @ to_right).T, best, atol=1e-9)

    def test_width_beyond_the_rank_is_padded(self) -> None:
        rng = np.random.default_rng(1)
        left, right = rng.normal(size=(6, 3)), rng.normal(size=(7, 3))
        to_left, to_right = posterior.balanced(left, right, 9)
        assert to_left.shape == (3, 9)
        np.testing.assert_allclose(left @ to_left @ (right @ to_right).T, left @ right.T, atol=1e-9)


def test_conditional_draws_have_the_mean_and_covariance_of_bayesian_regression() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    precision, shift = root @ root.T + np.eye(3), rng.normal(size=3)
    many = 40_000
    expected, draws = gibbs._gaussian(rng, np.tile(precision, (many, 1, 1)), np.tile(shift, (many, 1)))
    np.testing.assert_allclose(expected[0], np.linalg.solve(precision, shift))
    np.testing.assert_allclose(draws.mean(axis=0), expected[0], atol=0.02)
    np.testing.assert_allclose(np.cov(draws.T), np.linalg.inv(precision), atol=0.02)


def test_feature_effects_are_found_where_they_are_planted() -> None:
    rng = np.random.default_rng(0)
    features = sparse.csr_array((rng.random((500, 6)) < 0.4).astype(float))
    effects = rng.normal(size=(6, 3))
    block = gibbs.FeatureBlock(rng, features, np.arange(500), 3, 10.0)
    drawn = []
    for _ in range(200):
        block.sample(features @ effects + rng.normal(scale=0.1, size=(500, 3)), np.eye(3) * 100)
        drawn.append(block.coefficients())
    np.testing.assert_allclose(np.mean(drawn[20:], axis=0), effects, atol=0.05)


class TestOrdinal:
    """Ratings as ordered levels."""

    @pytest.fixture(scope="class")
    @staticmethod
    def skewed(log_and_truth):
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

    def error(self, log, parts, model: str, ratings_as: str) -> float:
        settings, errors = quick(model, ratings_as=ratings_as, sweeps=50, burn_in=15), []
        for seed in range(2):
            network, dataset, found = fitted(model, log, settings, parts[0], seed=seed)
            raw = torch.from_numpy(predict(network, dataset, parts[2]))
            errors.append(rmse(found.link.inverse_link(raw).numpy(), log.ratings["rating"].to_numpy()[parts[2]]))
        return float(np.mean(errors))

    @pytest.mark.parametrize("model", ["mf", "fm"])
    def test_levels_beat_numbers_where_the_steps_are_uneven(self, model: str, skewed, parts) -> None:
        assert self.error(skewed, parts, model, "levels") < 0.993 * self.error(skewed, parts, model, "numbers")

    def test_cut_points_are_found_where_they_are_planted(self) -> None:
        rng = np.random.default_rng(0)
        scores = rng.normal(size=20_000).astype(np.float32)
        planted = np.array([-1.5, 0.2, 0.9])
        ratings = np.searchsorted(planted, scores + rng.normal(size=len(scores))).astype(np.float32)
        observed = observation.Levels(rng, ratings, np.arange(len(scores)) % 50, 50)
        drawn = []
        for _ in range(60):
            observed.update(scores)
            drawn.append(observed.cuts)
        np.testing.assert_allclose(np.mean(drawn[20:], axis=0), planted, atol=0.06)

    def test_cut_derivatives_are_those_of_the_log_likelihood(self) -> None:
        rng = np.random.default_rng(0)
        codes, scores, root = rng.integers(0, 4, 30), rng.normal(size=30), rng.uniform(0.5, 2, 30)

        def bounds(cuts):
            ends = torch.cat([torch.tensor([-torch.inf]), cuts, torch.tensor([torch.inf])]).double()
            return [(ends[codes + end] - torch.from_numpy(scores)) * torch.from_numpy(root) for end in (0, 1)]

        def log_likelihood(cuts):
            lower, upper = bounds(cuts)
            return (torch.special.ndtr(upper) - torch.special.ndtr(lower)).log().sum()

        cuts = torch.tensor([-0.7, 0.1, 1.2], dtype=torch.float64)
        value, gradient, precision = observation.log_likelihood_by_cuts(
            codes, root, *(one.numpy() for one in bounds(cuts)), 4
        )
        assert value == pytest.approx(log_likelihood(cuts).item())
        step = 1e-4 * torch.eye(3, dtype=torch.float64)

        def difference(of, at, by):
            return (of(at + by) - of(at - by)) / 2e-4

        np.testing.assert_allclose(gradient, [difference(log_likelihood, cuts, one) for one in step], rtol=1e-4)
        curved = [
            [difference(lambda at, one=one: difference(log_likelihood, at, one), cuts, other) for one in step]
            for other in step
        ]
        np.testing.assert_allclose(precision, -np.array(curved), rtol=1e-3, atol=1e-3)

    def test_noisy_scores_lie_in_the_interval_of_their_rating(self) -> None:
        rng = np.random.default_rng(0)
        ratings = rng.integers(0, 4, 5000).astype(np.float32)
        observed = observation.Levels(rng, ratings, np.zeros(5000, np.int64), 1)
        observed.update(rng.normal(scale=20, size=5000).astype(np.float32))
        ends = np.array([-np.inf, *observed.cuts, np.inf])
        assert (observed.targets >= ends[observed.codes] - 1e-4).all()
        assert (observed.targets <= ends[observed.codes + 1] + 1e-4).all()

    def test_too_many_levels_are_refused(self, log_and_truth, parts) -> None:
        log = log_and_truth[0]
        many = np.random.default_rng(0).random(len(log)).astype(np.float32)
        continuous = dataclasses.replace(log, ratings=log.ratings.assign(rating=many))
        with pytest.raises(SettingsError, match="--ratings-as numbers"):
            fitted("mf", continuous, quick("mf", ratings_as="levels"), parts[0])


@pytest.mark.parametrize("count", [7, 5000])
@pytest.mark.parametrize("model", MODELS)
def test_whoever_is_in_a_batch_twice_is_encoded_as_ever(log_and_truth, model: str, count: int) -> None:
    dataset = encode(log_and_truth[0], NETWORKS[model].uses_features)
    rows = np.arange(len(dataset))
    settings = dataclasses.replace(preset("quick", model), method="adam")
    network = build(model, dataset, rows, settings, 0).eval()  # no dropout
    batches = Batches(dataset, rows, settings, torch.device("cpu"))
    drawn = torch.randint(len(rows), (count,), generator=torch.Generator().manual_seed(0))
    users, movies = batches.users[drawn], batches.movies[drawn]
    plain = network.score_pairs(
        network.encode_users(network.own_users(users), batches.user_features[users], batches.user_weights[users]),
        network.encode_items(network.own_items(movies), batches.movie_features[movies], batches.movie_weights[movies]),
    )
    found = batches.scores(network, users, movies)
    torch.testing.assert_close(found, plain)
    ours, expected = (gradients(network, scores.square().mean()) for scores in (found, plain))
    assert ours.keys() == expected.keys()
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, expected[name])
