"""A user's own files: what is understood, and what each mistake is answered with."""

import datetime
import gzip
import logging

import numpy as np
import pandas as pd
import pytest

from training.data import DataError, read_pairs, tables
from training.data.files import read_log
from training.data.naming import ColumnNames


@pytest.fixture(params=["at once", "in blocks of two rows"], autouse=True)
def blocks(request, monkeypatch):
    """However a file is divided, it is the same log, and a mistake has the same answer."""
    if request.param != "at once":
        monkeypatch.setattr(tables, "_BLOCK_ROWS", 2)
        monkeypatch.setattr(tables, "_BLOCK_BYTES", 64)


@pytest.fixture
def write(tmp_path):
    def write_text(name, text):
        path = tmp_path / name
        data = text.encode() if isinstance(text, str) else text
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write_text


RATINGS = "user_id,movie_id,rating,timestamp\n5,10,4.5,1000\n5,20,1,1001\n6,10,3,900\n"


def test_csv_gz_and_parquet_are_the_same_log(write, tmp_path):
    csv = read_log(write("r.csv", RATINGS))
    assert csv.name == "r"
    assert csv.ratings.dtypes.astype(str).tolist() == ["int64", "int64", "float32", "int64"]
    assert csv.ratings.values.tolist() == [[5, 10, 4.5, 1000], [5, 20, 1, 1001], [6, 10, 3, 900]]
    zipped = read_log(write("r.csv.gz", RATINGS), name="mine")
    assert zipped.name == "mine"
    csv.ratings.to_parquet(tmp_path / "r.parquet")
    assert csv.sha256 == zipped.sha256 == read_log(tmp_path / "r.parquet").sha256


def test_movielens_names_a_bom_and_spaces_in_the_header(write):
    log = read_log(write("r.csv", "\ufeffuserId , movieId,rating\n5,10,4\n"))
    assert log.ratings.columns.tolist() == ["user_id", "movie_id", "rating"]
    assert not log.has_timestamps


def test_other_columns_are_left_out(write):
    log = read_log(write("r.csv", "comment,user_id,movie_id\nfine,5,10\n"))
    assert log.ratings.columns.tolist() == ["user_id", "movie_id"]
    assert not log.has_ratings


def test_users_and_movies(write):
    log = read_log(
        write("r.csv", RATINGS),
        write("u.csv", "age,user_id,gender,zip,score\n30,6,F,01234,\n,5,,98765,2.5\n"),
        write(
            "m.csv",
            'movieId,title,genres,studio\n10,"Crow, The (1994)",Action|Drama,X\n30,None,(no genres listed),\n',
        ),
    )
    assert log.user_features == ("gender", "age")
    assert log.movie_features == ("genres", "year")
    assert log.users.columns.tolist() == ["user_id", "age", "gender", "zip", "score"]
    assert log.users["age"].dtype == "float64"
    assert log.users["age"].iat[0] == 30
    assert np.isnan(log.users["age"].iat[1])
    assert log.users["zip"].tolist() == ["01234", "98765"]
    assert log.users["gender"].tolist() == ["F", ""]
    assert log.movies.columns.tolist() == ["movie_id", "title", "year", "genres", "studio"]
    assert log.movies["title"].tolist() == ["The Crow", "None"]
    assert log.movies["year"].tolist() == [1994, pd.NA]
    assert log.movies["genres"].tolist() == ["Action|Drama", ""]


def test_a_year_column_leaves_titles_alone(write):
    movies = write("m.csv", 'movie_id,title,year\n10,"Crow, The (1994)",2000\n20,300,\n')
    log = read_log(write("r.csv", RATINGS), movies=movies)
    assert log.movies["title"].tolist() == ["Crow, The (1994)", "300"]
    assert log.movies["year"].tolist() == [2000, pd.NA]


def test_movies_with_nothing_but_ids(write):
    log = read_log(write("r.csv", RATINGS), movies=write("m.csv", "movie_id\n10\n20\n"))
    assert log.movies["title"].tolist() == ["", ""]
    assert log.movies["year"].isna().all()
    assert log.movie_features == ()


def test_named_features(write):
    users = write("u.csv", "user_id,country,plan\n5,DE,a\n")
    movies = write("m.csv", "movie_id,country,genres\n10,FR,Drama\n")
    log = read_log(write("r.csv", RATINGS), users, movies, ("country", "genres"))
    assert log.user_features == ("country",)
    assert log.movie_features == ("country", "genres")
    with pytest.raises(DataError, match=r"'plam' is no side feature.*\['country', 'plan'\].*\['genres', 'country'\]"):
        read_log(write("r.csv", RATINGS), users, movies, ("plam",))


def test_one_letter_in_the_movies_file_makes_strings_everywhere(write):
    log = read_log(write("r.csv", RATINGS), movies=write("m.csv", "movie_id\n10\nx20\n"))
    assert log.ratings["movie_id"].tolist() == ["10", "20", "10"]
    assert log.movies["movie_id"].tolist() == ["10", "x20"]
    assert log.ratings["user_id"].dtype == "int64"


def test_pandas_does_not_guess(write):
    log = read_log(write("r.csv", "user_id,movie_id\nNA,1\nnull,2\ntrue,3\n"))
    assert log.ratings["user_id"].tolist() == ["NA", "null", "true"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("user_id,movie_id,rating,timestamp\n1,1,5,30\n1,2,3,10\n1,1,1,20\n", [[1, 1, 5], [1, 2, 3]]),
        ("user_id,movie_id,rating,timestamp\n1,1,5,20\n1,2,3,10\n1,1,1,20\n", [[1, 2, 3], [1, 1, 1]]),
        ("user_id,movie_id,rating\n1,1,5\n1,2,3\n1,1,1\n", [[1, 2, 3], [1, 1, 1]]),
    ],
    ids=["latest", "tie", "no timestamps"],
)
def test_repeated_pairs(write, caplog, text, kept):
    with caplog.at_level(logging.WARNING):
        log = read_log(write("r.csv", text))
    assert log.ratings[["user_id", "movie_id", "rating"]].values.tolist() == kept
    (message,) = [record.getMessage() for record in caplog.records]
    assert "r.csv: 1 rows repeat a pair of a user and an item" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"r\.csv: the file is empty"),
        ("user_id,movie_id\n", r"r\.csv: has a header and no rows"),
        ("user,movie_id\n1,2\n", r"r\.csv: has no column 'user_id'\. Columns found: \['user', 'movie_id'\]"),
        ("user_id|movie_id\n1|2,3\n", r"no column 'user_id'.*\['user_id\|movie_id'\].*commas, semicolons or tabs"),
        (
            "user_id;movie_id;rating\n1;2;1.299,5\n",
            r"column 'rating', row 1: '1.299,5' is not.*write 1299\.5, not 1\.299",
        ),
        ('user_id,movie_id,rating\n1,2,"4,5"\n1,3,"1,000"\n', r"row 2: '1,000' is not a number"),
        ("userId,user_id,movie_id\n1,2,3\n", "has the columns 'userId' and 'user_id', which say the same"),
        ("user_id,movie_id,rating\n1,2,3\n1,3,good\n", r"column 'rating', row 2: 'good' is not a number"),
        (
            "user_id,movie_id,rating\n1,2,3\n1,3,\n",
            r"column 'rating', row 2: '' is not a number.*Leave the column",
        ),
        ("user_id,movie_id,rating\n1,2,NaN\n", r"column 'rating', row 1: 'NaN' is not a number"),
        ("user_id,movie_id,rating\n1,2,3\n1,3,inf\n", r"column 'rating', row 2: 'inf' is not finite"),
        ("user_id,movie_id,rating\n1,2,1e300\n", r"column 'rating', row 1: '1e300' is not finite"),
        ("user_id,movie_id,timestamp\n1,2,3\n1,3,4.5\n", r"column 'timestamp', row 2: '4.5' is not whole"),
        ("user_id,movie_id,timestamp\n1,2,1/31/2024\n", r"'1/31/2024' is not a number.*whole seconds.*2024-01-31T"),
        ("user_id,movie_id,timestamp\n1,2,2024-02-30\n", r"row 1: '2024-02-30' is no date"),
        ("user_id,movie_id,timestamp\n1,2,1000\n1,3,2024-01-31\n", r"row 1: '1000' is no date, and others are"),
        ("user_id,movie_id,timestamp\n1,2,1500000000000\n", r"row 1: '1500000000000' .*not milliseconds"),
        ("user_id,movie_id\n1,2\n,3\n", r"column 'user_id', row 2: the id is missing"),
        ("user_id,movie_id\n1,2\n1\n", r"column 'movie_id', row 2: the id is missing"),
        ("user_id,movie_id\n1,2\n1.5,2\n", r"column 'user_id', row 2: '1.5' is a decimal number"),
        ("user_id,movie_id\n1,2\n1,2,3,4\n", r"r\.csv: cannot be read as CSV: .*line 3"),
        ("user_id,movie_id\n1,2,3\n1,2,3\n", r"r\.csv: cannot be read as CSV"),
        (b"user_id,movie_id\n\xff,2\n", r"r\.csv: cannot be read as CSV: it is no UTF-8 text\. Save it as UTF-8"),
    ],
)
def test_mistakes_in_ratings(write, text, message):
    with pytest.raises(DataError, match=message):
        read_log(write("r.csv", text))


@pytest.mark.parametrize(
    ("users", "movies", "message"),
    [
        ("user_id,age\n5,1\n6,2\n5,3\n", None, r"u\.csv, column 'user_id', row 3: '5' occurs twice"),
        ("id,age\n5,1\n", None, r"u\.csv: has no column 'user_id'.*\['id', 'age'\]"),
        (None, "movie_id\n10\n10\n", r"m\.csv, column 'movie_id', row 2: '10' occurs twice"),
        (None, "movie_id,year\n10,1999\n20,old\n", r"m\.csv, column 'year', row 2: 'old' is not a number"),
        (None, "movie_id,year\n10,1999.5\n", r"m\.csv, column 'year', row 1: '1999.5' is not whole"),
    ],
)
def test_mistakes_in_side_files(write, users, movies, message):
    with pytest.raises(DataError, match=message):
        read_log(write("r.csv", RATINGS), users and write("u.csv", users), movies and write("m.csv", movies))


def test_files_that_are_not_what_their_name_says(write, tmp_path):
    for name, data, message in [
        ("r.parquet", b"no parquet", r"cannot be read as Parquet: .*If it is CSV, name it \*\.csv"),
        ("r.csv", gzip.compress(RATINGS.encode()), "cannot be read as CSV"),
        ("r.txt", b"user_id,movie_id\n1,2\n", r"is of no known type.*\*\.csv\.gz"),
    ]:
        with pytest.raises(DataError, match=message):
            read_log(write(name, data))
    cut = write("cut.csv.gz", RATINGS * 100)
    cut.write_bytes(cut.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read as CSV"):
        read_log(cut)
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(DataError, match="there is no such file"):
        read_log(write("r.csv", RATINGS), users=tmp_path)


def test_parquet_with_missing_values(tmp_path):
    pd.DataFrame({"user_id": [1, 2], "movie_id": [1, 2], "rating": [1.0, None]}).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"column 'rating', row 2: 'nan' is not a number"):
        read_log(tmp_path / "r.parquet")


def test_pairs_have_the_types_of_the_log(write):
    log = read_log(write("r.csv", "user_id,movie_id,rating\nu5,10,4\n"))
    pairs = read_pairs(write("t.csv", "userId,movieId,rating\n7,99,2.5\nu5,11,4\nu5,11,4\n"), log)
    assert pairs["user_id"].tolist() == ["7", "u5", "u5"]
    assert pairs["movie_id"].tolist() == [99, 11, 11]
    assert pairs["rating"].dtype == "float32"
    with pytest.raises(DataError, match=r"t\.csv, column 'movie_id', row 1: 'x' is not an integer"):
        read_pairs(write("t.csv", "user_id,movie_id\n7,x\n"), log)


def test_test_rows_that_the_log_has_too_are_refused(write):
    log = read_log(write("r.csv", RATINGS))
    given = write("t.csv", "user_id,movie_id,rating\n5,30,1\n6,10,3\n5,10,2\n")
    with pytest.raises(DataError, match=r"t\.csv, row 2: 2 of its 3 rows, .*--allow-overlap"):
        read_pairs(given, log)
    assert len(read_pairs(given, log, allow_overlap=True)) == 3
    assert log.has(read_pairs(given, log, allow_overlap=True)).tolist() == [False, True, True]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_semicolons_and_tabs_between_columns(write, separator):
    other = write("r.csv", RATINGS.replace(",", separator))
    movies = write("m.csv", f"movie_id{separator}title\n10{separator}Crow, The (1994)\n")
    log = read_log(other, movies=movies)
    assert log.ratings.equals(read_log(write("commas.csv", RATINGS)).ratings)
    assert log.movies["title"].tolist() == ["The Crow"]


def test_dates_are_seconds(write):
    text = """user_id,movie_id,timestamp
1,1,2024-01-31
1,2,2024-01-31 12:30:00
1,3,2024-01-31T12:30:00Z
1,4,2024-01-31T12:30:00.999+02:00
1,5,1969-12-31 23:59:59.5
"""
    midnight = 1_706_659_200
    seconds = [midnight, midnight + 45_000, midnight + 45_000, midnight + 45_000 - 7_200, -1]
    assert read_log(write("r.csv", text)).ratings["timestamp"].tolist() == seconds


def test_dates_with_the_day_first_are_seconds(write):
    rows = ["31.01.2024", "31.1.2024 12:30", "1.2.2024", "01.02.2024 00:00:01.5"]
    text = "user_id;movie_id;timestamp\n" + "".join(f"1;{number};{row}\n" for number, row in enumerate(rows))
    midnight, next_day = 1_706_659_200, 1_706_745_600
    expected = [midnight, midnight + 45_000, next_day, next_day + 1]
    assert read_log(write("r.csv", text)).ratings["timestamp"].tolist() == expected
    for wrong in ("31.02.2024", "01.31.2024", "1/2/2024", "01.02.24"):
        with pytest.raises(DataError, match=rf"row 5: '{wrong}' is no date.*or 31\.01\.2024"):
            read_log(write("r.csv", f"{text}1;9;{wrong}\n"))


@pytest.mark.parametrize(
    "stored",
    [
        pd.Series(pd.to_datetime(["2024-01-31 12:30:00.7", "2024-02-01 00:00:00.0"])),
        pd.Series(pd.to_datetime(["2024-01-31 14:30", "2024-02-01 02:00"])).dt.tz_localize("Europe/Athens"),
        pd.Series([1_706_704_200, 1_706_745_600], dtype="Int64"),
    ],
)
def test_parquets_own_timestamps(stored, tmp_path):
    path = tmp_path / "r.parquet"
    pd.DataFrame({"user_id": [1, 2], "movie_id": [1, 2], "timestamp": stored}).to_parquet(path)
    assert read_log(path).ratings["timestamp"].tolist() == [1_706_704_200, 1_706_745_600]
    pd.DataFrame({"user_id": [1, 2], "movie_id": [1, 2], "timestamp": stored.where([True, False])}).to_parquet(path)
    with pytest.raises(DataError, match=r"column 'timestamp', row 2"):
        read_log(path)


def test_parquets_own_dates(tmp_path):
    days = [datetime.date(2024, 1, 31), datetime.date(1970, 1, 2)]
    pd.DataFrame({"user_id": [1, 2], "movie_id": [1, 2], "timestamp": days}).to_parquet(tmp_path / "r.parquet")
    assert read_log(tmp_path / "r.parquet").ratings["timestamp"].tolist() == [1_706_659_200, 86_400]


@pytest.mark.parametrize("later", [datetime.date(2024, 1, 31), "2024-01-31", "31.01.2024"])
def test_a_time_that_is_missing_in_the_first_row_is_named(later, tmp_path):
    rows = {"user_id": [1, 2], "movie_id": [1, 2], "timestamp": [None, later]}
    pd.DataFrame(rows).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(DataError, match=r"column 'timestamp', row 1: .* is no date, and others are"):
        read_log(tmp_path / "r.parquet")


def test_a_file_of_a_spreadsheet_with_decimal_commas(write, caplog):
    items = write("i.csv", "\ufeffsku;price;size;stock\ns1;499,00;36,5;1,200\ns2;12,5;M;3\ns3;;;2\n")
    names = ColumnNames.parse("user=who,item=sku,weight=count")
    log = read_log(write("r.csv", "\ufeffcount;sku;who\n1,5;s1;a@x.com\n2;s2;b@x.com\n"), None, items, names=names)
    assert log.ratings["weight"].tolist() == [1.5, 2]
    assert log.movies["price"].tolist()[:2] == [499, 12.5]
    assert log.movies["size"].tolist() == ["36,5", "M", ""]
    assert log.movies["stock"].tolist() == ["1,200", "3", "2"]  # thousands, or not


def test_a_column_that_is_nearly_numbers_is_warned_of(write, caplog):
    rows = "".join(f"s{number},{number}.5\n" for number in range(9))
    with caplog.at_level(logging.WARNING):
        log = read_log(
            write("r.csv", "user_id,item_id\na,s1\n"), None, write("i.csv", f"item_id,price\n{rows}s9,n/a\n")
        )
    assert "i.csv, column 'price': 9 of 10 values are numbers, but row 10 is 'n/a': the column is read" in caplog.text
    assert log.movies["price"].tolist()[-2:] == ["8.5", "n/a"]


@pytest.mark.parametrize(
    ("values", "is_warned"),
    [
        (["499,00 €", "1.299,00 €"], True),
        (["1.299,00", "1.499,00", "89,90"], True),
        (["$5", "EUR 1'200.50"], True),
        (["A12", "B7"], False),
        (["007", "01067"], False),
        (["31.12.2026", "1.1.2027"], False),
        (["36 EU", "M"], False),
    ],
)
def test_amounts_of_money_that_are_read_as_text_are_warned_of(write, caplog, values, is_warned):
    rows = "".join(f"s{number};{value}\n" for number, value in enumerate(values))
    with caplog.at_level(logging.WARNING):
        read_log(write("r.csv", "user_id,item_id\na,s1\n"), None, write("i.csv", f"item_id;price\n{rows}"))
    assert (f"but row 1 is {values[0]!r}: the column is read as text" in caplog.text) == is_warned
