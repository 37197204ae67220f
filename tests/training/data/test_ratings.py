"""What the columns of a ratings file are is decided over all of its blocks."""

import pandas as pd
import pytest

from training.data import DataError, tables
from training.data.ratings import read_ratings


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads columns, as a CSV file in blocks of a few rows."""
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 100)

    def read_columns(**columns):
        path = tmp_path / "r.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        blocks = list(tables.read_blocks(path, ("user_id",)))
        assert len(blocks) > 3
        return read_ratings(path)

    return read_columns


NUMBERS = [str(number) for number in range(100)]


def test_types(read):
    table = read(user_id=NUMBERS, movie_id=NUMBERS, rating=NUMBERS, timestamp=NUMBERS)
    assert table.dtypes.astype(str).tolist() == ["int64", "int64", "float32", "int64"]
    for column in table:
        assert table[column].tolist() == list(range(100))


@pytest.mark.parametrize("place", [0, 50, 99])
@pytest.mark.parametrize("other", ["u7", "007", "+7", "0x7", "-0", "1000000000000000000", "9" * 25])
def test_one_text_makes_texts_of_all_and_keeps_the_digits(read, place, other):
    users = [*NUMBERS[:place], f" {other} ", *NUMBERS[place + 1 :]]
    table = read(user_id=users, movie_id=NUMBERS)
    assert table["user_id"].dtype == "str"
    assert table["user_id"].tolist() == [user.strip() for user in users]
    assert table["movie_id"].dtype == "int64"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("user_id", "", r"r\.csv, column 'user_id', row 91: the id is missing"),
        ("rating", "good", r"r\.csv, column 'rating', row 91: 'good' is not a number"),
        ("rating", "inf", r"r\.csv, column 'rating', row 91: 'inf' is not finite"),
        ("timestamp", "1.5", r"r\.csv, column 'timestamp', row 91: '1.5' is not whole"),
        ("timestamp", "2024-01-31", r"row 91: '2024-01-31' is a date, and others are not"),
    ],
)
def test_a_mistake_far_down(read, column, value, message):
    columns = dict.fromkeys(("user_id", "movie_id", "rating", "timestamp"), NUMBERS)
    columns[column] = [*NUMBERS[:90], value, *NUMBERS[91:]]
    with pytest.raises(DataError, match=message):
        read(**columns)


def test_dates_and_numbers_do_not_mix(read):
    dates = ["2024-01-31"] * 100
    assert set(read(user_id=NUMBERS, movie_id=NUMBERS, timestamp=dates)["timestamp"]) == {1_706_659_200}
    with pytest.raises(DataError, match=r"row 91: '1000' is no date, and others are"):
        read(user_id=NUMBERS, movie_id=NUMBERS, timestamp=[*dates[:90], "1000", *dates[91:]])
