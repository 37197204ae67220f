"""Titles, years and genres as arrays say what the movies file says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from handlers.recommender.model.titles import Titles
from handlers.recommender.model.vocabulary import Vocabulary
from training.catalogue import title_arrays

FILE = pd.DataFrame(
    {
        "movie_id": [30, 10, 20],
        "title": pd.Series(["千と千尋の神隠し", "", "Amélie"], dtype="str"),
        "year": pd.array([2001, None, 0], dtype="Int64"),
        "genres": pd.Series(["Drama|Animation", "", "|Comedy||Drama"], dtype="str"),
    }
)


def said(titles: Titles) -> list[tuple]:
    return [(titles.title(row), titles.years.value(row), titles.genres.value(row)) for row in range(len(titles))]


def test_each_row_says_what_the_file_says_of_its_movie() -> None:
    names, arrays = title_arrays(FILE, Vocabulary([10, 20, 30, 40]))
    titles = Titles(names, arrays)
    assert names == ["Animation", "Comedy", "Drama"]
    assert said(titles) == [
        (None, None, []),
        (None, None, []),
        ("Amélie", 0, ["Comedy", "Drama"]),
        ("千と千尋の神隠し", 2001, ["Drama", "Animation"]),
        (None, None, []),  # not in the file
    ]
    assert {name: titles.genres.of(name).tolist() for name in (*names, "Nope")} == {
        "Animation": [3],
        "Comedy": [2],
        "Drama": [2, 3],
        "Nope": [],
    }


def test_a_log_without_a_movies_file_has_no_titles() -> None:
    names, arrays = title_arrays(None, Vocabulary(["a", "b"]))
    assert said(Titles(names, arrays)) == [(None, None, [])] * 3


def test_a_sliced_column_of_texts_is_read_from_where_it_begins() -> None:
    _, arrays = title_arrays(FILE.iloc[1:], Vocabulary([10, 20, 30]))
    titles = Titles(["Comedy", "Drama"], arrays)
    assert [titles.title(row) for row in range(4)] == [None, None, "Amélie", None]
    assert arrays["movie_years"].dtype == np.int32
