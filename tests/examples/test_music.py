"""The music service: the number of plays shows the planted taste, and a model finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from examples import music
from tests.examples.conftest import Example, trained

LISTENERS = range(150)


def shares_of_favourites(example: Example, made: music.Music) -> float:
    """Which part of listeners' lists is of their favourite genres."""
    genres = np.array(music.GENRES, object)
    bodies = [{"user_id": f"listener-{1 + row:03d}"} for row in LISTENERS]
    return example.shares(bodies, "genre", [set(genres[made.liked[row]]) for row in LISTENERS])


def test_what_is_played_often_is_of_a_favourite_genre() -> None:
    made = music.generate()
    played = made.plays.merge(made.tracks)
    rows = played["listener"].str.removeprefix("listener-").astype(int).to_numpy() - 1
    liked = made.liked[rows, played["genre"].map(music.GENRES.index)]
    often = (played["plays"] > 5).to_numpy()
    assert liked[often].mean() > 0.75
    assert liked[~often].mean() < 0.45


def test_lists_find_the_favourite_genres(of_music: Example) -> None:
    """Two of eight genres are favourites, so what is popular has a quarter of them."""
    assert shares_of_favourites(of_music, music.generate()) > 0.55


@pytest.mark.slow
def test_counts_of_plays_find_more_of_them(of_music: Example, tmp_path: Path) -> None:
    made = music.generate()
    tables = {"plays": made.plays.assign(plays=1), "tracks": made.tracks}
    without = trained("music", tmp_path, {}, tables)
    assert shares_of_favourites(of_music, made) > shares_of_favourites(without, made) + 0.03


def test_popularity_damping_finds_even_more_of_them(of_music: Example) -> None:
    made, genres = music.generate(), np.array(music.GENRES, object)
    bodies = [{"user_id": f"listener-{1 + row:03d}", "popularity_damping": 0.5} for row in LISTENERS]
    damped = of_music.shares(bodies, "genre", [set(genres[made.liked[row]]) for row in LISTENERS])
    assert damped > shares_of_favourites(of_music, made) + 0.05
