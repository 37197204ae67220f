"""The map of the movies."""

from __future__ import annotations

from handlers.recommender.model.words import MOVIES, Words
from training.report import movies


def test_a_movie_is_drawn_where_its_vector_lies_in_the_colour_of_a_frequent_genre() -> None:
    entries = [
        {
            "movie_id": number,
            "title": None,
            "year": None,
            "genres": ["Drama"] if number else [],
            "ratings": number,
            "x": number / 9,
            "y": number / 9,
        }
        for number in range(10)
    ]
    drawn = movies.draw(entries, MOVIES)
    assert len(drawn.dots) == 9
    last = drawn.dots[-1]
    assert (last.name, last.colour) == ("movie 9", drawn.legend["Drama"])
    assert last.x == max(dot.x for dot in drawn.dots)
    assert last.y == min(dot.y for dot in drawn.dots)


def test_items_have_their_name_and_no_genres() -> None:
    words = Words("item", "product", "products")
    entries = [{"item_id": f"p{number}", "title": None, "ratings": 3, "x": number, "y": 0.0} for number in range(2)]
    drawn = movies.draw(entries, words)
    assert [dot.name for dot in drawn.dots] == ["product p1", "product p0"]
    assert drawn.legend == {}
