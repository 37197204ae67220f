from __future__ import annotations

import pytest

from web.search import Index, folded

MOVIES = [
    ("Star Wars", 583),
    ("Star Trek: First Contact", 365),
    ("The Terminator", 301),
    ("Terminator 2: Judgment Day", 295),
    ("The Matrix", 259),
    ("Amélie", 200),
    ("Léon (The Professional)", 150),
    ("M", 44),
    ("Schindler's List", 298),
    ("A Star Is Born", 3),
    ("Monty Python and the Holy Grail", 316),
]


@pytest.fixture(scope="module")
def index() -> Index:
    return Index([{"movie_id": n, "title": t, "year": 1990 + n, "ratings": r} for n, (t, r) in enumerate(MOVIES)])


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("star w", "Star Wars"),
        ("stra wars", "Star Wars"),
        ("termni", "The Terminator"),
        ("terminater 2", "Terminator 2: Judgment Day"),
        ("judgment", "Terminator 2: Judgment Day"),
        ("the matrix", "The Matrix"),
        ("matrix, the", "The Matrix"),
        ("MATRIX", "The Matrix"),
        ("matrix 1994", "The Matrix"),
        ("amelie", "Amélie"),
        ("AMÉLIE", "Amélie"),
        ("leon", "Léon (The Professional)"),
        ("schindlers list", "Schindler's List"),
        ("monty pyton", "Monty Python and the Holy Grail"),
        ("m", "Monty Python and the Holy Grail"),
    ],
)
def test_finds_what_was_meant(index: Index, typed: str, first: str) -> None:
    assert index.find(typed, 5)[0]["title"] == first


def test_of_equals_the_better_known_comes_first(index: Index) -> None:
    assert [one["title"] for one in index.find("star", 3)] == [
        "Star Wars",
        "Star Trek: First Contact",
        "A Star Is Born",
    ]


@pytest.mark.parametrize("typed", ["", "   ", "?!", "zzzzqqqq"])
def test_finds_nothing_where_there_is_nothing(index: Index, typed: str) -> None:
    assert index.find(typed, 5) == []


def test_gives_no_movie_twice_and_no_more_than_asked(index: Index) -> None:
    found = [one["movie_id"] for one in index.find("star wars", 4)]
    assert len(found) == len(set(found)) <= 4


@pytest.mark.parametrize("title", ["The", "A", "M"])
def test_a_title_that_is_only_an_article_stays(title: str) -> None:
    assert folded(title) == title.lower()


def test_a_movie_without_title_or_year_is_no_trouble() -> None:
    assert Index([{"movie_id": 1, "title": None, "year": None, "ratings": 0}]).find("none", 3) == []


@pytest.mark.parametrize("typed", ["movie 7", "movei 7", "1999"])
def test_a_movie_without_title_is_found_by_its_id_after_those_with_one(typed: str) -> None:
    movies = [
        {"movie_id": 7, "title": None, "year": 1999, "ratings": 900},
        {"movie_id": 8, "title": "A Movie of 7 Days", "year": 1999, "ratings": 1},
    ]
    assert [one["movie_id"] for one in Index(movies).find(typed, 3)] == [8, 7]
