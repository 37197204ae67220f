"""One way in to all data: a data set by its name, or files."""

from pathlib import Path

import pytest

from training.data import DataError, load

GIVEN = Path(__file__).parents[4] / "shared" / "data"
needs_given = pytest.mark.skipif(
    not GIVEN.is_dir(), reason=f"the development data is not beside the repository ({GIVEN})"
)


def test_load_takes_a_path(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("user_id,movie_id,rating,timestamp\n5,10,4.5,1000\n5,20,1,1001\n6,10,3,900\n")
    assert load(str(path)).name == "mine"
    assert load(ratings=path).name == "mine"
    with pytest.raises(DataError, match=r"--data ml-100k and --ratings .*mine\.csv are two logs\. Give one"):
        load("ml-100k", ratings=path)


def test_load_with_named_features():
    log = load("synthetic", features=("age", "genres"))
    assert log.user_features == ("age",)
    assert log.movie_features == ("genres",)
    with pytest.raises(DataError, match="'height' is no side feature"):
        load("synthetic", features=("height",))


def test_load_says_what_there_is():
    with pytest.raises(DataError, match=r"'ml-2k' is no data set and no file. Known data sets: ml-100k, ml-1m"):
        load("ml-2k")
    with pytest.raises(DataError, match=r"synthetic: has its own users and movies, u\.csv does not go with it"):
        load("synthetic", users=Path("u.csv"))


@needs_given
def test_movielens_1m_as_own_files():
    root = GIVEN / "ml-1m"
    log = load(str(root / "ratings.csv.gz"), users=root / "users.csv", movies=root / "movies.csv")
    assert len(log) == 900_187
    assert (len(log.users), len(log.movies)) == (6040, 3883)
    assert log.scale == (1, 5)
    assert not log.has_timestamps
    assert log.user_features == ("gender", "age", "occupation")
    assert log.movies["year"].notna().all()
    assert log.users["zip_code"].iat[4 - 1] == "02460"
    assert log.movies.set_index("movie_id")["title"][2571] == "The Matrix"


@needs_given
def test_movielens_latest_small_as_own_files():
    root = GIVEN / "ml-latest-small"
    log = load(str(root / "ratings.csv"), movies=root / "movies.csv", features=("genres",))
    assert len(log) == 100_004
    assert log.scale == (0.5, 5)
    assert log.has_timestamps
    assert log.movie_features == ("genres",)
    assert log.movies["year"].isna().sum() == 4
    assert "(no genres listed)" not in set(log.movies["genres"])
