"""All integers or all strings, and never a silent change of an id."""

import logging

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data import ids
from training.data.log import DataError


def text(*values):
    return pd.Series(values, dtype="str")


@pytest.mark.parametrize(
    ("values", "decided"),
    [
        (["1", "20", "-3", "0"], [1, 20, -3, 0]),
        ([" 1", "2 "], [1, 2]),
        (["01", "2"], ["01", "2"]),
        (["1", "2b"], ["1", "2b"]),
        (["+1", "2"], ["+1", "2"]),
        (["1.5", "x"], ["1.5", "x"]),
        (["9" * 30], ["9" * 30]),
        (["1_000", "2"], ["1_000", "2"]),
        (["-0", "2"], ["-0", "2"]),
    ],
)
def test_one_column(values, decided):
    (result,) = ids.unify("user_id", [("f.csv", text(*values))])
    assert result.tolist() == decided
    assert result.dtype == ("int64" if isinstance(decided[0], int) else "str")


def test_all_files_decide_together(caplog):
    with caplog.at_level(logging.WARNING):
        first, second = ids.unify("movie_id", [("r.csv", text("1", "2")), ("m.csv", text("2", "007"))])
    assert first.tolist() == ["1", "2"]
    assert second.tolist() == ["2", "007"]
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == (
        "m.csv, column 'movie_id': 3 ids look like integers, but row 2 is '007': all of them are read as strings."
    )


def test_plain_strings_need_no_warning(caplog):
    with caplog.at_level(logging.WARNING):
        ids.unify("user_id", [("r.csv", text("u-1", "u-2"))])
    assert not caplog.records


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint64", "Int64"])
def test_integer_columns_of_parquet(dtype):
    (result,) = ids.unify("user_id", [("r.parquet", pd.Series([3, 4], dtype=dtype))])
    assert result.dtype == "int64"
    assert result.tolist() == [3, 4]


def test_an_integer_too_large_for_int64_keeps_its_digits():
    (result,) = ids.unify("user_id", [("r.parquet", pd.Series([2**64 - 1], dtype="uint64"))])
    assert result.tolist() == [str(2**64 - 1)]


@pytest.mark.parametrize("values", [text("1", "2.5"), pd.Series([1.0, 2.5]), text("1", "2.0")])
def test_whole_and_decimal_numbers_are_refused(values):
    with pytest.raises(DataError, match=r"f, column 'user_id', row \d: '\d\.\d' is a decimal number"):
        ids.unify("user_id", [("f", values)])


@pytest.mark.parametrize(
    "values", [text("a", "", "c"), text("a", " ", "c"), text("a", None, "c"), pd.Series([1, None, 3.0])]
)
def test_a_missing_id_is_refused(values):
    with pytest.raises(DataError, match="f, column 'user_id', row 2: the id is missing"):
        ids.unify("user_id", [("f", values)])


def test_coerce_to_the_type_of_the_log():
    strings, integers = text("a"), pd.Series([1])
    assert ids.coerce("user_id", ("t", pd.Series([7, 8])), strings).tolist() == ["7", "8"]
    assert ids.coerce("user_id", ("t", text("7", " 8")), integers).tolist() == [7, 8]
    with pytest.raises(DataError, match="t, column 'user_id', row 2: 'x' is not an integer"):
        ids.coerce("user_id", ("t", text("7", "x")), integers)


@given(st.lists(st.text("0123456789-ab.", min_size=1, max_size=6), min_size=1, max_size=8, unique=True))
def test_different_ids_stay_different(values):
    try:
        (result,) = ids.unify("user_id", [("f", text(*values))])
    except DataError:
        return  # decimal numbers
    assert result.nunique() == len(values)
    assert result.astype("str").tolist() == values
