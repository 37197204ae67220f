"""Columns under any name, and the log's own word for an item."""

from __future__ import annotations

import pandas as pd
import pytest

from handlers.recommender.model.words import MOVIES, Words
from training.data import DataError, load, prepared, read_pairs
from training.data.files import read_log
from training.data.naming import ColumnNames, with_name

SHOP = "customer,sku,stars,bought_at,count,rating\na,s1,4,1000,2,9\nb,s2,5,1001,1,9\na,s2,1,1002,3,9\n"
NAMES = ColumnNames.parse("user=customer, item=sku,rating=stars,time=bought_at")


@pytest.fixture
def write(tmp_path):
    def write_text(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write_text


def test_a_files_own_names_make_the_same_log_as_ours(write):
    ours = "user_id,item_id,rating,timestamp\na,s1,4,1000\nb,s2,5,1001\na,s2,1,1002\n"
    log, usual = read_log(write("shop.csv", SHOP), names=NAMES), read_log(write("ours.csv", ours))
    assert log.sha256 == usual.sha256
    assert log.words == usual.words == Words("item", "item", "items")
    assert log.columns == {"user": "customer", "item": "sku", "rating": "stars", "time": "bought_at"}


def test_weights_have_a_name_of_their_own_where_there_are_no_ratings(write):
    names = ColumnNames.parse("user=customer,item=sku,weight=count")
    log = read_log(write("plays.csv", "customer,sku,count\na,s1,2\nb,s2,1\n"), names=names)
    assert log.ratings["weight"].tolist() == [2, 1]
    assert log.ratings["weight"].dtype == "float32"
    with pytest.raises(DataError, match=r"shop\.csv, column 'count': has ratings, and weights are for likes\. Omit w"):
        read_log(write("shop.csv", SHOP), names=names)


@pytest.mark.parametrize("column", ["movie_id", "movieId"])
def test_movies_are_movies(write, column):
    assert read_log(write("r.csv", f"user_id,{column}\n1,2\n")).words == MOVIES


def test_parquet_has_names_of_its_own_too(tmp_path):
    pd.DataFrame({"who": ["a", "b"], "what": ["x", "y"]}).to_parquet(tmp_path / "r.parquet")
    log = read_log(tmp_path / "r.parquet", names=ColumnNames.parse("user=who,item=what"))
    assert log.ratings.values.tolist() == [["a", "x"], ["b", "y"]]


def test_files_of_users_and_items_have_the_given_name_or_the_usual_one(write):
    ratings = write("shop.csv", SHOP)
    by_sku = write("sku.csv", "sku,price,rating\ns1,5,3.5\ns2,7,4\n")
    by_id = write("id.csv", "item_id,price\ns1,5\ns2,7\n")
    users = write("users.csv", "customer,age\na,20\nb,30\n")
    log = read_log(ratings, users, by_sku, names=NAMES)
    assert log.movies["price"].tolist() == [5, 7]
    assert log.movies["rating"].tolist() == [3.5, 4]  # a column of the items, no rating of a user
    assert log.users["age"].tolist() == [20, 30]
    assert read_log(ratings, None, by_id, names=NAMES).movies["movie_id"].tolist() == ["s1", "s2"]


def test_titles_and_types_of_events_have_names_too(write, tmp_path):
    names = ColumnNames.parse("user=customer,item=sku,event=action,title=name")
    ratings = write("r.csv", "customer,sku,action\na,s1,purchase\na,s1,click\nb,s2,purchase\n")
    log = read_log(ratings, None, write("i.csv", "sku,name,title\ns1,Red Lamp,Mr\ns2,Pan,Ms\n"), names=names)
    assert log.movies["title"].tolist() == ["Red Lamp", "Pan"]
    assert log.ratings["weight"].tolist() == pytest.approx([1.2, 1])
    assert log.columns["title"] == "name"
    with pytest.raises(
        DataError, match=r"i\.csv: has no column 'name'\. Columns found: \['sku', 'titel'\]\. title= in"
    ):
        read_log(ratings, None, write("i.csv", "sku,titel\ns1,Lamp\n"), names=names)
    with pytest.raises(DataError, match=r"--items: has no column 'name'"):
        read_log(ratings, names=names)
    with pytest.raises(DataError, match=r"none\.csv: there is no such file"):
        read_log(ratings, None, tmp_path / "none.csv", names=names)
    (tmp_path / "windows.csv").write_bytes("sku,name\ns1,Küche\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"windows\.csv: .* no UTF-8 text\. Save it as UTF-8"):
        read_log(ratings, None, tmp_path / "windows.csv", names=names)


def test_a_large_file_is_prepared_for_each_set_of_names(write, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "LARGE", 1)
    path, kept = write("r.csv", "a,b,c\n1,2,3\n"), tmp_path / "prepared"
    for text, expected in (("user=a,item=b", [1, 2]), ("user=b,item=c", [2, 3])):
        log = read_log(path, names=ColumnNames.parse(text), prepared_in=kept)
        assert log.ratings.iloc[0].tolist() == expected


def test_test_rows_have_the_names_of_the_log(write):
    log = read_log(write("shop.csv", SHOP), names=NAMES)
    rows = read_pairs(write("test.csv", "customer,sku,stars\nb,s1,3\n"), log)
    assert rows[["user_id", "movie_id", "rating"]].values.tolist() == [["b", "s1", 3]]
    with pytest.raises(DataError, match=r"test.csv, column 'stars', row 1: 'many'"):
        read_pairs(write("test.csv", "customer,sku,stars\nb,s1,many\n"), log)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("user=customer,shop=x", "'shop=x' is no column of --columns"),
        ("user", "'user' is no column of --columns"),
        ("item=", "'item=' is no column of --columns"),
        ("item=a,item=b", "'item' is given twice"),
        ("item=a,user=a", "'a' is given twice"),
    ],
)
def test_names_that_say_nothing_are_refused(text, named):
    with pytest.raises(DataError, match=named):
        ColumnNames.parse(text)


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("a,b\n1,2\n", "user=a,item=c", r"has no column 'c'.*Columns found: \['a', 'b'\]"),
        ("a,b\n1,2\n", "user=a,item=b,rating=stars", "has no column 'stars'"),
        ("user_id,movie_id,item_id\n1,2,3\n", "", "'movie_id' and 'item_id', which say the same"),
        ("a,b\n1,2\n,3\n", "user=a,item=b", "column 'a', row 2: the id is missing"),
        ("user_id,item_id,weight\n1,2,heavy\n", "", "column 'weight', row 1: 'heavy' is not a number"),
        ("user_id,item_id\n1,\n", "", "column 'item_id', row 1: the id is missing"),
        ("user_id,sku\n1,2\n", "", r"has no column 'movie_id'.*--columns user=\.\.\.,item=\.\.\. names others"),
    ],
)
def test_errors_have_the_files_own_names(write, text, names, message):
    with pytest.raises(DataError, match=message):
        read_log(write("r.csv", text), names=ColumnNames.parse(names))


def test_an_item_has_a_name(write):
    path, items = write("shop.csv", SHOP), write("i.csv", "sku,price,title,note\ns1,5,One,\ns2,7,Two,\n")
    options = {"columns": "user=customer,item=sku", "item_name": "product", "show": ("title", "price")}
    log = load(str(path), movies=items, **options)
    assert log.words == Words("item", "product", "products")
    assert log.shown == ("price",)  # a title is shown anyway
    for show, problem in {"colour": "no column of the items", "note": "a column without any value"}.items():
        with pytest.raises(DataError, match=rf"'{show}' of --show is {problem}. Available: \['price'\]"):
            load(str(path), movies=items, **options | {"show": (show,)})
    assert with_name(MOVIES, "story,stories") == Words("movie", "story", "stories")
    for name in ("<b>", ",", "x" * 50):
        with pytest.raises(DataError, match="is no name of an item"):
            with_name(MOVIES, name)


def test_a_data_set_has_its_own_columns():
    with pytest.raises(DataError, match="has columns of its own"):
        load("synthetic", columns="item=sku")
