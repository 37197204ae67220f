"""The MovieLens data sets, from GroupLens' archives (and, for ml-100k, from the RecBole wheel)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from training.data.features import USUAL_MOVIE_FEATURES, USUAL_USER_FEATURES
from training.data.fetch import fetch, sources
from training.data.log import RatingsLog
from training.data.titles import split_titles
from training.progress import stage

# The order of the flags in u.item, as u.genre has it.
_ML_100K_GENRES = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
]

# ml-1m writes codes; its README names them.
_ML_1M_OCCUPATIONS = [
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
]

_NO_GENRE = ("", "unknown", "(no genres listed)")
_RATING_COLUMNS = ["user_id", "movie_id", "rating", "timestamp"]


def load(name: str, folder: Path) -> RatingsLog:
    """The data set `name` (a key of `READERS`), fetched into `folder / name` unless it is there.

    Raises DataError if it can be had from nowhere.
    """
    archive = fetch(sources()[name], folder / name)  # which shows its own progress
    with stage(f"reading {name}"):
        return READERS[name](archive)


def read_ml_100k(archive: Path) -> RatingsLog:
    """ml-100k from GroupLens' zip or from the RecBole wheel: the same log, row by row, from both."""
    with zipfile.ZipFile(archive) as members:
        if "ml-100k/u.data" in members.namelist():
            ratings, users, movies = _grouplens_ml_100k(members)
        else:
            ratings, users, movies = _recbole_ml_100k(members)
    return _log("ml-100k", ratings, users, movies)


def read_ml_1m(archive: Path) -> RatingsLog:
    """ml-1m from GroupLens' zip. `age` is the lowest age of the person's bracket, 1 for under 18."""
    with zipfile.ZipFile(archive) as members:
        ratings = _table(members, "ml-1m/ratings.dat", _RATING_COLUMNS, sep="::")
        users = _table(members, "ml-1m/users.dat", ["user_id", "gender", "age", "occupation", "zip_code"], sep="::")
        movies = _table(members, "ml-1m/movies.dat", ["movie_id", "title", "genres"], sep="::")
    users["occupation"] = users["occupation"].map(dict(enumerate(_ML_1M_OCCUPATIONS)))
    return _log("ml-1m", ratings, users, movies)


def read_ml_latest_small(archive: Path) -> RatingsLog:
    """ml-latest-small from GroupLens' zip. It knows nothing of its users."""
    with zipfile.ZipFile(archive) as members:
        with members.open("ml-latest-small/ratings.csv") as file:
            ratings = pd.read_csv(file).set_axis(_RATING_COLUMNS, axis="columns")
        with members.open("ml-latest-small/movies.csv") as file:
            movies = pd.read_csv(file, keep_default_na=False).rename(columns={"movieId": "movie_id"})
    return _log("ml-latest-small", ratings, None, movies)


READERS: dict[str, Callable[[Path], RatingsLog]] = {
    "ml-100k": read_ml_100k,
    "ml-1m": read_ml_1m,
    "ml-latest-small": read_ml_latest_small,
}


def _grouplens_ml_100k(members: zipfile.ZipFile) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    ratings = _table(members, "ml-100k/u.data", _RATING_COLUMNS, sep="\t")
    users = _table(members, "ml-100k/u.user", ["user_id", "age", "gender", "occupation", "zip_code"], sep="|")
    columns = ["movie_id", "title", "release", "video_release", "imdb", *_ML_100K_GENRES]
    movies = _table(members, "ml-100k/u.item", columns, sep="|")
    flags = movies[_ML_100K_GENRES].to_numpy(dtype=bool)
    movies["genres"] = [
        "|".join(genre for genre, flag in zip(_ML_100K_GENRES, row, strict=True) if flag) for row in flags
    ]
    return ratings, users, movies[["movie_id", "title", "genres"]]


def _recbole_ml_100k(members: zipfile.ZipFile) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    root = "recbole/dataset_example/ml-100k/ml-100k"
    options = {"sep": "\t", "header": 0, "encoding": "utf-8"}
    ratings = _table(members, f"{root}.inter", _RATING_COLUMNS, **options)
    users = _table(members, f"{root}.user", ["user_id", "age", "gender", "occupation", "zip_code"], **options)
    movies = _table(members, f"{root}.item", ["movie_id", "title", "year", "genres"], **options)
    # RecBole cut the last bracket of each title off as its year ("V" where that was the mark of a video
    # release) and wrote movie 267, "unknown" without a year, as "unkonwn". Put back together, one parser
    # reads both sources.
    bare = movies["year"] == "unkonwn"
    movies["title"] = (movies["title"] + " (" + movies["year"] + ")").mask(bare, "unknown")
    movies["genres"] = movies["genres"].str.replace(" ", "|")
    return ratings, users, movies[["movie_id", "title", "genres"]]


def _table(
    members: zipfile.ZipFile,
    member: str,
    columns: list[str],
    *,
    sep: str,
    header: int | None = None,
    encoding: str = "latin-1",
) -> pd.DataFrame:
    text = members.read(member).decode(encoding)
    if sep == "::":  # pandas' fast parser takes one character, and no file with "::" has a tab
        text, sep = text.replace("::", "\t"), "\t"
    return pd.read_csv(
        io.StringIO(text),
        sep=sep,
        header=header,
        names=columns,
        quoting=csv.QUOTE_NONE,  # titles may hold a single quote mark
        keep_default_na=False,
        dtype={"zip_code": str, "title": str, "year": str, "genres": str},
    )


def _log(name: str, ratings: pd.DataFrame, users: pd.DataFrame | None, movies: pd.DataFrame) -> RatingsLog:
    titles, years = split_titles(movies["title"])
    return RatingsLog(
        name=name,
        ratings=ratings.astype({"rating": "float32"}),
        users=None if users is None else users[["user_id", "gender", "age", "occupation", "zip_code"]],
        movies=pd.DataFrame(
            {
                "movie_id": movies["movie_id"],
                "title": titles,
                "year": years,
                "genres": movies["genres"].mask(movies["genres"].isin(_NO_GENRE), "").astype("str"),
            }
        ),
        user_features=() if users is None else USUAL_USER_FEATURES,
        movie_features=USUAL_MOVIE_FEATURES,
    )
