"""What one thing of a catalogue is called, with its article."""

from __future__ import annotations

import pytest

from handlers.recommender.model.words import MOVIES, Words


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ("item", "an item"),
        ("product", "a product"),
        ("Album", "an Album"),
        ("outfit", "an outfit"),
        ("unit", "a unit"),
        ("used car", "a used car"),
        ("umbrella", "an umbrella"),
        ("hour of tuition", "an hour of tuition"),
        ("house", "a house"),
    ],
)
def test_the_article_is_that_of_the_sound(one: str, said: str) -> None:
    assert Words("item", one, f"{one}s").a == said


def test_a_movie_is_a_movie() -> None:
    assert MOVIES.a == "a movie"
