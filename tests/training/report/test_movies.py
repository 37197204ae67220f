"""The map of the movies."""

from __future__ import annotations

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
    drawn = movies.draw(entries)
    assert len(drawn.dots) == 9
    last = drawn.dots[-1]
    assert (last.name, last.colour) == ("movie 9", drawn.legend["Drama"])
    assert last.x == max(dot.x for dot in drawn.dots)
    assert last.y == min(dot.y for dot in drawn.dots)
