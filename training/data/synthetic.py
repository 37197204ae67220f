"""A seeded log of any size whose right answers are known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr

from training.data.features import USUAL_MOVIE_FEATURES, USUAL_USER_FEATURES
from training.data.log import DataError, RatingsLog

GENRES = ("Action", "Comedy", "Drama", "Horror", "Musical", "Romance", "Sci-Fi", "Western")
OCCUPATIONS = ("artist", "doctor", "engineer", "farmer", "lawyer", "student", "teacher", "writer")

_CLUSTERS = len(GENRES)
_SCALE = np.arange(1.0, 5.5, 0.5)  # half stars from 1 to 5
_HALF_STEP = 0.25
_EPOCH = 1_500_000_000  # the first second that a rating may have
_DAY = 86_400


@dataclass(frozen=True, eq=False)
class Truth:
    """What a synthetic log was drawn from. Positions are those of `log.users` and `log.movies`.

    A rating is `mean + user_bias + movie_bias + user_vector . movie_vector` plus normal noise of standard
    deviation `noise`, rounded to half stars from 1 to 5. `user_group` (int [users]) is the person's
    occupation and `movie_cluster` (int [movies]) the movie's first genre; the vectors are float64 [users or
    movies, clusters]. `best_rmse` is the error on the log's rows of the best possible prediction, `expected`.
    """

    mean: float
    noise: float
    user_bias: np.ndarray
    movie_bias: np.ndarray
    user_vector: np.ndarray
    movie_vector: np.ndarray
    user_group: np.ndarray
    movie_cluster: np.ndarray
    best_rmse: float = float("nan")

    def level(self, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        """The rating before noise and rounding of the pairs at positions `users` [n], `movies` [n]: [n]."""
        match = np.einsum("nk,nk->n", self.user_vector[users], self.movie_vector[movies])
        return self.mean + self.user_bias[users] + self.movie_bias[movies] + match

    def expected(self, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        """The mean of the rating that those pairs are given, after rounding and clipping: float64 [n]."""
        edges = (_SCALE[:-1] + _HALF_STEP - self.level(users, movies)[:, None]) / self.noise
        below = ndtr(edges)  # P(rating <= _SCALE[j]) for all steps but the last  [n, steps - 1]
        return _SCALE[-1] - (np.diff(_SCALE) * below).sum(axis=1)


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A log and what it was drawn from."""

    log: RatingsLog
    truth: Truth


def generate(
    seed: int = 0,
    *,
    users: int = 400,
    movies: int = 300,
    ratings: int = 24_000,
    noise: float = 0.5,
    string_ids: bool = False,
) -> Synthetic:
    """A log of `ratings` rows in random order, the same for the same arguments.

    Users like clusters of movies, by occupation and by person; gender turns the taste a little; older users give
    higher ratings, and newer movies get them; popular and better movies are rated more often, and so are those the user
    likes. Ids are integers that are no positions (users 11, 13, ..., movies 103, 106, ...), or "u-1" and
    "m-1" with `string_ids`.

    Raises DataError for sizes that cannot be: less than one of anything, or more than half of all pairs.
    """
    if min(users, movies, ratings) < 1 or noise <= 0 or 2 * ratings > users * movies:
        raise DataError(
            f"cannot draw {ratings} ratings of {users} users and {movies} movies with noise {noise}",
            remedy="Ask for at least one of each, noise above 0, and at most half of all pairs",
        )
    rng = np.random.default_rng(seed)
    user_table, movie_table, truth = _people_and_films(rng, users, movies, noise, string_ids)
    who, what = _pairs(rng, truth, users, movies, ratings)
    rating = truth.level(who, what) + rng.normal(0, noise, ratings)
    rating = (np.round(rating * 2) / 2).clip(_SCALE[0], _SCALE[-1])
    best_rmse = float(np.sqrt(np.mean((rating - truth.expected(who, what)) ** 2)))
    joined = rng.integers(0, 700, users) * _DAY  # a person rates within a month of joining
    table = pd.DataFrame(
        {
            "user_id": user_table["user_id"].to_numpy()[who],
            "movie_id": movie_table["movie_id"].to_numpy()[what],
            "rating": rating.astype("float32"),
            "timestamp": _EPOCH + joined[who] + rng.integers(0, 30 * _DAY, ratings),
        }
    ).astype({"user_id": user_table["user_id"].dtype, "movie_id": movie_table["movie_id"].dtype})
    log = RatingsLog(
        name="synthetic",
        ratings=table,
        users=user_table,
        movies=movie_table,
        user_features=USUAL_USER_FEATURES,
        movie_features=USUAL_MOVIE_FEATURES,
    )
    return Synthetic(log, dataclasses.replace(truth, best_rmse=best_rmse))


def _people_and_films(
    rng: np.random.Generator, users: int, movies: int, noise: float, string_ids: bool
) -> tuple[pd.DataFrame, pd.DataFrame, Truth]:
    group = rng.integers(0, len(OCCUPATIONS), users)
    female = rng.random(users) < 0.5
    age = rng.integers(16, 70, users)
    cluster = rng.integers(0, _CLUSTERS, movies)
    second = rng.integers(0, _CLUSTERS, movies)
    has_second = (rng.random(movies) < 0.3) & (second != cluster)
    year = rng.integers(1950, 2021, movies)

    group_taste = rng.normal(0, 0.7, (len(OCCUPATIONS), _CLUSTERS))
    gender_taste = rng.normal(0, 0.3, _CLUSTERS)
    taste = group_taste[group] + np.where(female, 1, -1)[:, None] * gender_taste
    taste += rng.normal(0, 0.5, (users, _CLUSTERS))
    # Movies of one cluster point the same way, those of two clusters do not: similar movies are known.
    film = np.eye(_CLUSTERS)[cluster] + rng.normal(0, 0.15, (movies, _CLUSTERS))
    film[has_second] += 0.3 * np.eye(_CLUSTERS)[second[has_second]]

    truth = Truth(
        mean=3.0,
        noise=noise,
        user_bias=0.2 * (age - 43) / 15 + rng.normal(0, 0.2, users),
        movie_bias=0.2 * (year - 1985) / 20 + rng.normal(0, 0.2, movies),
        user_vector=taste,
        movie_vector=film,
        user_group=group,
        movie_cluster=cluster,
    )
    names = np.array(GENRES)
    genres = [
        f"{names[a]}|{names[b]}" if both else str(names[a])
        for a, b, both in zip(cluster, second, has_second, strict=True)
    ]
    user_table = pd.DataFrame(
        {
            "user_id": _ids("u", users, 2, 11, string_ids),
            "gender": pd.Series(np.where(female, "F", "M"), dtype="str"),
            "age": age,
            "occupation": pd.Series(np.array(OCCUPATIONS)[group], dtype="str"),
        }
    )
    movie_table = pd.DataFrame(
        {
            "movie_id": _ids("m", movies, 3, 103, string_ids),
            "title": pd.Series([f"{names[c]} Film {i + 1}" for i, c in enumerate(cluster)], dtype="str"),
            "year": pd.Series(year, dtype="Int64"),
            "genres": pd.Series(genres, dtype="str"),
        }
    )
    return user_table, movie_table, truth


def _ids(letter: str, count: int, step: int, first: int, strings: bool) -> pd.Series:
    if strings:
        return pd.Series([f"{letter}-{i + 1}" for i in range(count)], dtype="str")
    return pd.Series(first + step * np.arange(count), dtype="int64")


def _pairs(
    rng: np.random.Generator, truth: Truth, users: int, movies: int, ratings: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of `ratings` different pairs, in random order."""
    activity = rng.lognormal(0, 0.5, users)
    popularity = rng.lognormal(0, 0.8, movies) * np.exp(truth.movie_bias)
    drawn = np.empty(0, dtype=np.int64)
    while len(drawn) < ratings:
        who = rng.choice(users, 2 * ratings, p=activity / activity.sum())
        what = rng.choice(movies, 2 * ratings, p=popularity / popularity.sum())
        liking = ((truth.level(who, what) - 1) / 4).clip(0.1, 1)  # people watch what they expect to like
        taken = rng.random(len(who)) < liking
        drawn = np.unique(np.concatenate([drawn, who[taken] * movies + what[taken]]))
    chosen = rng.permutation(drawn)[:ratings]
    return chosen // movies, chosen % movies
