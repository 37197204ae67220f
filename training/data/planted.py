"""Logs of MovieLens' shape, with a million ratings or many more, drawn from a known structure and kept as Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtr

from archives.store import locked, replacing
from training.data import prepared
from training.data.files import read_log
from training.data.log import RatingsLog
from training.progress import stage

VERSION = 1  # of what is drawn: files of another version are made again
SUMMARY = "made.json"
FOLDER = Path("data")

GENRES = (
    *("Drama", "Comedy", "Thriller", "Romance", "Action", "Horror", "Documentary", "Crime", "Adventure"),
    *("Sci-Fi", "Mystery", "Children", "Fantasy", "War", "Animation", "Musical", "Western", "Film-Noir"),
)

_FACTORS = 16
_SCALE = np.arange(0.5, 5.5, 0.5)  # half stars from 0.5 to 5
_MEAN, _NOISE = 3.1, 0.75
_USER_BIAS, _MOVIE_BIAS, _TASTE = 0.4, 0.3, 0.5  # standard deviations of the parts of a rating
_FEWEST = 20  # ratings of a user, as in MovieLens
_LEAST = 4  # expected ratings of the least popular movie, if all users liked all movies
_HEAVY = 0.02  # a user who rates a larger share of the movies is drawn by another method
_BLOCK = 500_000  # ratings that are drawn and written together
_FIRST_SECOND, _LAST_SECOND = 789_652_009, 1_574_327_703  # of MovieLens 25M
_MONTH = 30 * 86_400


@dataclass(frozen=True)
class Size:
    """How large a log is. A few of the movies have no rating, as only few ratings are expected in the tail."""

    ratings: int
    users: int
    movies: int


# MovieLens 1M and 25M have these sizes; those of 5m and 100m follow MovieLens 10M, 20M and 32M.
SIZES = {
    "1m": Size(1_000_209, 6_040, 3_706),
    "5m": Size(5_000_000, 33_000, 7_800),
    "25m": Size(25_000_095, 162_541, 59_047),
    "100m": Size(100_000_000, 620_000, 200_000),
}
NAMES = tuple(f"synthetic:{size}" for size in SIZES)


def load(name: str, folder: Path = FOLDER) -> RatingsLog:
    """The log `name` (one of `NAMES`), made in `folder` unless it is there."""
    made = make(SIZES[name.partition(":")[2]], folder / _stem(name))
    files = {"ratings": made / "ratings.parquet", "movies": made / "movies.parquet"}
    return read_log(**files, name=_stem(name), prepared_in=folder / prepared.FOLDER.name)


def best_rmse(name: str, folder: Path = FOLDER) -> float:
    """The error of the best possible prediction on the rows of the log `name`, which is in `folder`."""
    return json.loads((folder / _stem(name) / SUMMARY).read_text())["best_rmse"]


def make(size: Size, folder: Path, seed: int = 0) -> Path:
    """Writes `ratings.parquet`, `movies.parquet` and `made.json` into `folder`, unless they are there; gives `folder`.

    A rating is `mean + user bias + movie bias + user vector . movie vector` plus normal noise, rounded to half stars
    from 0.5 to 5. Movies of one genre have similar vectors. Popular movies, and movies that the user likes, are rated
    more often. The numbers of ratings of users and of movies have MovieLens' long tails. Rows are in the order of users
    and movies. `made.json` is written last; it says what the files were made from, and `best_rmse`: the error, on these
    rows, of the expected rating given the structure.
    """
    asked = {"version": VERSION, "seed": seed, "ratings": size.ratings, "users": size.users, "movies": size.movies}
    if not _is_made(asked, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, wait=True):  # processes that want the same log at once make it once
            if not _is_made(asked, folder):
                _make(size, folder, seed, asked)
    return folder


def _is_made(asked: dict[str, int], folder: Path) -> bool:
    try:
        return asked.items() <= json.loads((folder / SUMMARY).read_text()).items()
    except FileNotFoundError:
        return False


def _make(size: Size, folder: Path, seed: int, asked: dict[str, int]) -> None:
    summary = folder / SUMMARY
    summary.unlink(missing_ok=True)
    rng = np.random.default_rng(seed)
    movies = _Movies.draw(rng, size)
    counts = _ratings_of_users(rng, size)
    _replace(folder / "movies.parquet", iter([pa.Table.from_pandas(movies.table, preserve_index=False)]))
    error = _Error()
    with stage(f"making {folder.name}", len(_blocks(counts)), "block") as advance:
        tables = _rating_tables(seed, counts, movies, error)
        _replace(folder / "ratings.parquet", (table for table in tables if advance() is None))
    with replacing(summary) as staged:
        staged.write_text(json.dumps(asked | {"best_rmse": round(error.rmse, 6)}, indent=2) + "\n")


def _stem(name: str) -> str:
    return name.replace(":", "-")


def _replace(path: Path, tables: Iterator[pa.Table]) -> None:
    """Writes tables, one row group each, and then moves the whole file into place."""
    first = next(tables)
    with replacing(path) as staged, pq.ParquetWriter(staged, first.schema) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


@dataclass
class _Error:
    """The squared errors of the best prediction, summed block by block."""

    squares: float = 0.0
    count: int = 0

    @property
    def rmse(self) -> float:
        return float(np.sqrt(self.squares / self.count))


@dataclass(frozen=True, eq=False)
class _Movies:
    """The movies: `table` as users see it, and by position the biases [M], vectors [M, F] and shares of ratings [M]."""

    table: pd.DataFrame
    bias: np.ndarray
    vectors: np.ndarray
    shares: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, size: Size) -> _Movies:
        rank = 1 + rng.permutation(size.movies)
        # A stretched exponential in the rank: it fits the numbers of ratings of MovieLens 1M's and 25M's movies.
        log_share = -np.log(size.users) * (rank / size.movies) ** 0.377
        shares = np.exp(log_share)
        shares = shares / shares.sum() + _LEAST / size.ratings
        common = 1 / np.arange(2, 2 + len(GENRES))
        first, second = (rng.choice(len(GENRES), size.movies, p=common / common.sum()) for _ in range(2))
        second = np.where(rng.random(size.movies) < 0.5, second, first)
        of_genres = rng.normal(0, 1, (len(GENRES), _FACTORS))
        vectors = 0.8 * (of_genres[first] + of_genres[second]) / 2 + 0.6 * rng.normal(0, 1, (size.movies, _FACTORS))
        bias = rng.normal(0, _MOVIE_BIAS, size.movies) + 0.15 * (log_share - log_share.mean()) / log_share.std()
        names = np.array(GENRES, dtype=object)
        only = first == second
        table = pd.DataFrame(
            {
                "movie_id": np.sort(rng.choice(4 * size.movies, size.movies, replace=False)) + 1,
                "title": pd.Series("Film " + pd.Series(np.arange(1, 1 + size.movies)).astype("str"), dtype="str"),
                "year": 2019 - rng.exponential(20, size.movies).astype(int).clip(0, 104),
                "genres": pd.Series(np.where(only, names[first], names[first] + "|" + names[second]), dtype="str"),
            }
        )
        return cls(table, bias.astype(np.float32), vectors.astype(np.float32), shares / shares.sum())


def _ratings_of_users(rng: np.random.Generator, size: Size) -> np.ndarray:
    """How many movies each user rates: int64 [users], of sum `size.ratings`, with a log-normal tail."""
    most = size.movies // 2
    activity = rng.lognormal(0, 1.39, size.users)
    low, high = 0.0, float(size.ratings)
    for _ in range(100):  # halve the interval of the factor that gives this sum
        factor = (low + high) / 2
        counts = (_FEWEST + factor * activity).clip(max=most).astype(np.int64)
        low, high = (factor, high) if counts.sum() <= size.ratings else (low, factor)
    counts = (_FEWEST + low * activity).clip(max=most).astype(np.int64)
    missing = size.ratings - int(counts.sum())
    counts[np.flatnonzero(counts < most)[:missing]] += 1
    return counts


def _blocks(counts: np.ndarray) -> list[np.ndarray]:
    """Positions of users, in blocks of users who have about `_BLOCK` ratings together."""
    block = (np.cumsum(counts) - 1) // _BLOCK
    return np.split(np.arange(len(counts)), np.flatnonzero(np.diff(block)) + 1)


@dataclass(frozen=True, eq=False)
class _Users:
    """A block of users: how many movies each rates, int64 [U], their biases [U] and vectors [U, F]."""

    counts: np.ndarray
    bias: np.ndarray
    vectors: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, counts: np.ndarray) -> _Users:
        bias = rng.normal(0, _USER_BIAS, len(counts))
        vectors = rng.normal(0, _TASTE / np.sqrt(_FACTORS), (len(counts), _FACTORS))
        return cls(counts, bias.astype(np.float32), vectors.astype(np.float32))

    def levels(self, who: np.ndarray, movies: _Movies, what: np.ndarray) -> np.ndarray:
        """The ratings before noise of pairs of positions, users `who` and movies `what`: float32 [n]."""
        match = np.einsum("nf,nf->n", self.vectors[who], movies.vectors[what])
        return np.float32(_MEAN) + self.bias[who] + movies.bias[what] + match


def _rating_tables(seed: int, counts: np.ndarray, movies: _Movies, error: _Error) -> Iterator[pa.Table]:
    ids = movies.table["movie_id"].to_numpy()
    levels = np.linspace(-5, 11, 16_001)
    edges = (_SCALE[:-1] + 0.25 - levels[:, None]) / _NOISE
    expected = _SCALE[-1] - 0.5 * ndtr(edges).sum(axis=1)  # the mean rating of a level  [levels]
    for number, positions in enumerate(_blocks(counts)):
        rng = np.random.default_rng([seed, number])
        users = _Users.draw(rng, counts[positions])
        who, what = _pairs(rng, users, movies)
        level = users.levels(who, movies, what)
        rating = (np.round((level + rng.normal(0, _NOISE, len(who))) * 2) / 2).clip(_SCALE[0], _SCALE[-1])
        error.squares += float(((rating - np.interp(level, levels, expected)) ** 2).sum())
        error.count += len(who)
        joined = rng.integers(_FIRST_SECOND, _LAST_SECOND - _MONTH, len(positions))
        later = rng.exponential(_MONTH / 4, len(who)).astype(np.int64)
        yield pa.table(
            {
                "user_id": (1 + positions[who]).astype(np.int32),
                "movie_id": ids[what].astype(np.int32),
                "rating": rating.astype(np.float32),
                "timestamp": (joined[who] + later).clip(max=_LAST_SECOND),
            }
        )


def _liking(level: np.ndarray) -> np.ndarray:
    """How likely a user rates a movie of this level, compared with a movie that the user likes best."""
    return ((level - 1) / 4).clip(0.1, 1) ** 2


def _pairs(rng: np.random.Generator, users: _Users, movies: _Movies) -> tuple[np.ndarray, np.ndarray]:
    """Positions (users, movies) of `users.counts` different movies for each user, by user and movie.

    Movies are drawn without replacement, with a probability proportional to share times liking.
    """
    counts, n_movies = users.counts, len(movies.shares)
    heavy = counts > _HEAVY * n_movies
    done = [np.empty(0, np.int64), *_of_heavy(rng, np.flatnonzero(heavy), users, movies)]
    cumulative = np.cumsum(movies.shares)
    found, missing = np.empty(0, np.int64), np.where(heavy, 0, counts)
    while missing.any():
        who = np.repeat(np.arange(len(counts)), 4 * missing + 8 * (missing > 0))
        what = np.searchsorted(cumulative, rng.random(len(who)) * cumulative[-1], side="right")
        taken = rng.random(len(who), np.float32) < _liking(users.levels(who, movies, what))
        found = np.sort(np.concatenate([found, who[taken] * n_movies + what[taken]]))  # np.unique is slow for many
        found = found[np.diff(found, prepend=-1) > 0]
        who = found // n_movies
        have = np.bincount(who, minlength=len(counts))
        missing = np.where(missing > 0, counts - have, 0).clip(min=0)
        complete = missing[who] == 0
        # Of too many, a random part stays.
        who, pairs = who[complete], found[complete]
        order = np.argsort(who + rng.random(len(who)))
        place = np.arange(len(who)) - np.searchsorted(who, who)
        done.append(pairs[order[place < counts[who]]])
        found = found[~complete]
    return np.divmod(np.sort(np.concatenate(done)), n_movies)


def _of_heavy(rng: np.random.Generator, positions: np.ndarray, users: _Users, movies: _Movies) -> Iterator[np.ndarray]:
    """Users times movies plus movies, of each of these users: the first of exponential clocks with these rates."""
    n_movies = len(movies.shares)
    everything = np.arange(n_movies)
    for user in positions:
        level = users.levels(np.full(n_movies, user), movies, everything)
        clocks = rng.standard_exponential(n_movies) / (movies.shares * _liking(level))
        yield user * n_movies + np.argpartition(clocks, users.counts[user])[: users.counts[user]]
