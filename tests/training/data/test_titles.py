"""Titles as people say them, and their years."""

import pandas as pd
import pytest

from training.data.titles import article_first, split_titles


@pytest.mark.parametrize(
    ("written", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Rocky VI (1986) ", "Rocky VI", 1986),
        ("Fish  Called Wanda, A (1988)", "A Fish Called Wanda", 1988),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("1900 (Novecento) (1976)", "1900 (Novecento)", 1976),
        ("Land Before Time III (1995) (V)", "Land Before Time III", 1995),
        ("Fawlty Towers (1975-1979)", "Fawlty Towers", 1975),
        ("Death Note (2006\u20132007)", "Death Note", 2006),
        ("Big Bang Theory, The (2007-)", "The Big Bang Theory", 2007),
        ("Stranger Things", "Stranger Things", None),
        ("", "", None),
    ],
)
def test_split(written, title, year):
    titles, years = split_titles(pd.Series([written, "Other (2000)"], dtype="str"))
    assert titles.dtype == "str"
    assert years.dtype == "Int64"
    assert titles[0] == title
    assert (None if pd.isna(years[0]) else years[0]) == year


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Good, The Bad and The Ugly, The", "The Good, The Bad and The Ugly"),
        (
            "Horseman on the Roof, The (Hussard sur le toit, Le)",
            "The Horseman on the Roof (Le Hussard sur le toit)",
        ),
        ("Avventura, L'", "L'Avventura"),
        ("Die xue shuang xiong (Killer, The)", "Die xue shuang xiong (The Killer)"),
        ("I, Worst of All (Yo, la peor de todas)", "I, Worst of All (Yo, la peor de todas)"),
        ("Niagara, Niagara", "Niagara, Niagara"),
        ("Paris, Texas", "Paris, Texas"),
        ("The Lovers and the Despot", "The Lovers and the Despot"),
    ],
)
def test_article_first(written, title):
    assert article_first(written) == title
