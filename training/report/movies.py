"""The movie map: where the movies lie on the plane of their vectors' two principal components."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from handlers.recommender.model.words import Words

MOST = 2000  # movies drawn, the most rated ones
LABELS = 14
WIDTH, HEIGHT, MARGIN = 760, 560, 24
# Tableau 10 without its grey, which stands for all further genres and for none.
COLOURS = ("#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f")
OTHER = "#bab0ac"


class Dot(NamedTuple):
    """A movie on the map, in pixels."""

    x: float
    y: float
    radius: float
    colour: str
    name: str


class Map(NamedTuple):
    """``legend``: colours by genre; ``labels``: the dots that have their name beside them."""

    dots: list[Dot]
    labels: list[Dot]
    legend: dict[str, str]
    width: int = WIDTH
    height: int = HEIGHT


def draw(movies: Sequence[dict[str, Any]], words: Words) -> Map:
    """The map of catalogue entries; a movie has the colour of its first genre that is among the most frequent."""
    rated = sorted((movie for movie in movies if movie["ratings"]), key=lambda movie: -movie["ratings"])[:MOST]
    frequent = [
        genre for genre, _ in Counter(genre for movie in rated for genre in movie.get("genres", [])).most_common()
    ]
    legend = dict(zip(frequent, COLOURS, strict=False))
    across, down = _scale([movie["x"] for movie in rated], WIDTH), _scale([-movie["y"] for movie in rated], HEIGHT)
    most = max((movie["ratings"] for movie in rated), default=1)
    dots = [
        Dot(
            round(x, 1),
            round(y, 1),
            round(2 + 5 * math.sqrt(movie["ratings"] / most), 1),
            next((legend[genre] for genre in movie.get("genres", []) if genre in legend), OTHER),
            name_of(movie, words),
        )
        for movie, x, y in zip(rated, across, down, strict=True)
    ]
    if legend and any(dot.colour == OTHER for dot in dots):
        legend["other"] = OTHER
    return Map(dots[::-1], _labels(dots), legend)


def name_of(movie: dict[str, Any], words: Words) -> str:
    """Title and year, or the id where there is no title."""
    year = movie.get("year")
    return (movie.get("title") or f"{words.one} {movie[words.id]}") + (f" ({year})" if year else "")


def _scale(values: Sequence[float], size: int) -> list[float]:
    low, high = min(values, default=0), max(values, default=0)
    return [MARGIN + (size - 2 * MARGIN) * (value - low) / ((high - low) or 1) for value in values]


def _labels(dots: Sequence[Dot]) -> list[Dot]:
    """The most rated movies whose names neither meet nor leave the map."""
    taken: list[Dot] = []
    for dot in dots:
        ends = dot.x + dot.radius + 7 * len(dot.name) < WIDTH
        if ends and all(
            abs(dot.y - other.y) > 16 or not -7 * len(other.name) < other.x - dot.x < 7 * len(dot.name)
            for other in taken
        ):
            taken.append(dot)
        if len(taken) == LABELS:
            break
    return taken
