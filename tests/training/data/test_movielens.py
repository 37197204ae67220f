"""The MovieLens archives in their original formats, and the real ML-100K."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from training.data import load
from training.data.movielens import read_ml_1m, read_ml_100k, read_ml_latest_small

ROOT = Path(__file__).parents[3]

RATINGS = [
    (196, 242, 3, 881250949),
    (186, 267, 5, 891717742),
    (22, 1412, 1, 878887116),
    (196, 543, 4, 881250950),
]

U_USER = "22|25|M|writer|40206\n186|39|F|executive|00000\n196|49|M|writer|T8H1N\n"
RECBOLE_USER = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n" + U_USER.replace("|", "\t")

U_ITEM = """\
242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0
267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0
543|Mis\u00e9rables, Les (1995)|01-Jan-1995||http://us.imdb.com/|0|0|0|0|1|0|0|0|1|0|1|0|1|0|0|1|0|0|0
1412|Land Before Time III: The Giving (1995) (V)|01-Jan-1995||http://us.imdb.com/|0|0|0|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0
"""
RECBOLE_ITEM = """\
item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq
242\tKolya\t1996\tComedy
267\tunkonwn\tunkonwn\tunknown
543\tMis\u00e9rables, Les\t1995\tChildren's Drama Film-Noir Musical Sci-Fi
1412\tLand Before Time III: The Giving (1995)\tV\tAnimation Children's
"""


def lines(sep):
    return "".join(sep.join(map(str, row)) + "\n" for row in RATINGS)


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.fixture
def grouplens_100k(tmp_path):
    return archive(
        tmp_path / "ml-100k.zip",
        **{
            "ml-100k/u.data": lines("\t"),
            "ml-100k/u.user": U_USER,
            "ml-100k/u.item": U_ITEM.encode("latin-1"),
        },
    )


@pytest.fixture
def recbole_100k(tmp_path):
    root = "recbole/dataset_example/ml-100k/ml-100k"
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    return archive(
        tmp_path / "recbole.whl",
        **{f"{root}.inter": header + lines("\t"), f"{root}.user": RECBOLE_USER, f"{root}.item": RECBOLE_ITEM},
    )


@pytest.fixture(scope="module")
def ml_100k():
    return load("ml-100k", folder=ROOT / "data")


def test_ml_100k_from_grouplens(grouplens_100k):
    log = read_ml_100k(grouplens_100k)
    assert log.name == "ml-100k"
    assert [tuple(row) for row in log.ratings.values.tolist()] == RATINGS
    assert log.users.values.tolist()[1] == [186, "F", 39, "executive", "00000"]
    assert log.user_features == ("gender", "age", "occupation")
    movies = log.movies.set_index("movie_id")
    assert movies["title"].tolist() == [
        "Kolya",
        "unknown",
        "Les Mis\u00e9rables",
        "Land Before Time III: The Giving",
    ]
    assert movies["year"].fillna(0).tolist() == [1996, 0, 1995, 1995]
    assert movies["genres"].tolist() == [
        "Comedy",
        "",
        "Children's|Drama|Film-Noir|Musical|Sci-Fi",
        "Animation|Children's",
    ]


def test_both_sources_of_ml_100k_are_the_same_log(grouplens_100k, recbole_100k):
    one, other = read_ml_100k(grouplens_100k), read_ml_100k(recbole_100k)
    assert other.ratings.equals(one.ratings)
    assert other.users.equals(one.users)
    assert other.movies.equals(one.movies)
    assert other.sha256 == one.sha256


def test_ml_1m(tmp_path):
    log = read_ml_1m(
        archive(
            tmp_path / "ml-1m.zip",
            **{
                "ml-1m/ratings.dat": lines("::"),
                "ml-1m/users.dat": "186::F::1::10::48067\n196::M::56::16::02460-1234\n",
                "ml-1m/movies.dat": (
                    "242::Am\u00e9lie, The (2000)::Comedy|Romance\n"
                    '267::"Great Performances" Cats: Now (1998)::Musical\n'
                ).encode("latin-1"),
            },
        )
    )
    assert log.name == "ml-1m"
    assert [tuple(row) for row in log.ratings.values.tolist()] == RATINGS
    assert log.users.values.tolist() == [
        [186, "F", 1, "K-12 student", "48067"],
        [196, "M", 56, "self-employed", "02460-1234"],
    ]
    assert log.movies["title"].tolist() == ["The Am\u00e9lie", '"Great Performances" Cats: Now']
    assert log.movies["year"].tolist() == [2000, 1998]
    assert log.movies["genres"].tolist() == ["Comedy|Romance", "Musical"]


def test_ml_latest_small(tmp_path):
    log = read_ml_latest_small(
        archive(
            tmp_path / "ml-latest-small.zip",
            **{
                "ml-latest-small/ratings.csv": "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,99,4.0,1\n",
                "ml-latest-small/movies.csv": (
                    'movieId,title,genres\n31,"American President, The (1995)",Comedy|Drama\n'
                    "99,Caf\u00e9 Society,(no genres listed)\n"
                ).encode(),
            },
        )
    )
    assert log.users is None
    assert log.user_features == ()
    assert log.ratings.values.tolist() == [[1, 31, 2.5, 1260759144], [1, 99, 4.0, 1]]
    assert log.movies["title"].tolist() == ["The American President", "Caf\u00e9 Society"]
    assert log.movies["year"].fillna(0).tolist() == [1995, 0]
    assert log.movies["genres"].tolist() == ["Comedy|Drama", ""]


def test_the_real_ratings_are_grouplens_own(ml_100k):
    """Byte for byte GroupLens' u.data and u.user, from either source: the folds are slices."""
    data = ml_100k.ratings.astype({"rating": int}).to_csv(sep="\t", header=False, index=False)
    users = ml_100k.users[["user_id", "age", "gender", "occupation", "zip_code"]]
    users = users.to_csv(sep="|", header=False, index=False)
    assert hashlib.sha256(data.encode()).hexdigest() == (
        "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
    )
    assert hashlib.sha256(users.encode()).hexdigest() == (
        "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c"
    )


def test_the_real_movies(ml_100k):
    movies = ml_100k.movies
    assert movies["movie_id"].tolist() == list(range(1, 1683))
    assert movies["year"].isna().sum() == 1  # 267, "unknown"
    assert movies["year"].min() == 1922
    assert movies["year"].max() == 1998
    genres = movies["genres"].str.split("|").explode()
    assert genres.value_counts()[["Drama", "Comedy", "Film-Noir", "Fantasy"]].tolist() == [725, 505, 24, 22]
    assert genres.nunique() == 18 + 1  # and "" for those without
    assert not movies["title"].str.contains(r", The$|\(\d{4}\)").any()
