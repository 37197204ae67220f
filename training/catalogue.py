"""Titles, years and genres of a log's movies, as the arrays that answers are made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from handlers.recommender.model.titles import NO_YEAR
from handlers.recommender.model.vocabulary import Vocabulary

from .arrow_texts import texts_of


def title_arrays(table: pd.DataFrame | None, movies: Vocabulary) -> tuple[list[str], dict[str, np.ndarray]]:
    """The names of all genres in order, and the arrays of ``titles.TITLE_ARRAYS``.

    ``table``: movie_id, title, year and genres (names with | between them); a movie without a row has none of them.
    """
    if table is None:
        table = pd.DataFrame({name: pd.Series(dtype="str") for name in ("movie_id", "title", "year", "genres")})
    places = np.full(len(movies), -1, np.int64)
    places[movies.to_rows(table["movie_id"].tolist())] = np.arange(len(table))
    places[0] = -1
    titles = texts_of(table["title"].reset_index(drop=True).reindex(places))
    years = pd.to_numeric(table["year"]).to_numpy(np.float64, na_value=np.nan)
    years = np.append(np.where(np.isnan(years), NO_YEAR, years), NO_YEAR).astype(np.int32)[places]
    names, codes, offsets = _genres(table["genres"], places)
    rows = np.repeat(np.arange(len(movies), dtype=np.int32), np.diff(offsets))
    by_genre = np.argsort(codes, kind="stable")
    genre_offsets = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=len(names)), out=genre_offsets[1:])
    return names, {
        "movie_titles": titles.data,
        "movie_title_offsets": titles.offsets,
        "movie_years": years,
        "movie_genres": codes,
        "movie_genre_offsets": offsets,
        "genre_movies": rows[by_genre],
        "genre_movie_offsets": genre_offsets,
    }


def _genres(column: pd.Series, places: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """All names, and by row their positions int32 and where each row's begin int64 [rows + 1].

    ``places`` [rows]: where a row stands in the column, -1 for nowhere. Each different text is split once.
    """
    kinds, texts = pd.factorize(column)
    split = [[tag for tag in text.split("|") if tag] for text in texts] + [[]]
    names = sorted({tag for tags in split for tag in tags})
    position = {name: place for place, name in enumerate(names)}
    flat = np.array([position[tag] for tags in split for tag in tags], np.int32)
    sizes = np.array([len(tags) for tags in split], np.int64)
    starts = np.cumsum(sizes) - sizes
    kind_of = np.append(kinds, -1)[places]  # -1, a missing text, is the last, which is empty
    offsets = np.zeros(len(places) + 1, np.int64)
    np.cumsum(sizes[kind_of], out=offsets[1:])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes[kind_of])
    return names, flat[np.repeat(starts[kind_of], sizes[kind_of]) + within], offsets
