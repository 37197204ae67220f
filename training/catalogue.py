"""Titles, years and genres of a log's movies, as the arrays that answers are made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from handlers.recommender.model.titles import NO_YEAR
from handlers.recommender.model.vocabulary import Vocabulary

from .arrow_texts import texts_of
from .attributes import places_of, tags_by_row


def title_arrays(table: pd.DataFrame | None, movies: Vocabulary) -> tuple[list[str], dict[str, np.ndarray]]:
    """The names of all genres in order, and the arrays of ``titles.TITLE_ARRAYS``.

    ``table``: movie_id, title, year and genres (names with | between them); a movie without a row has none of them.
    """
    if table is None:
        table = pd.DataFrame({name: pd.Series(dtype="str") for name in ("movie_id", "title", "year", "genres")})
    places = places_of(table, movies)
    titles = texts_of(table["title"].reset_index(drop=True).reindex(places))
    years = pd.to_numeric(table["year"]).to_numpy(np.float64, na_value=np.nan)
    years = np.append(np.where(np.isnan(years), NO_YEAR, years), NO_YEAR).astype(np.int32)[places]
    names, genres = tags_by_row(table["genres"], places)
    return names, {
        "movie_titles": titles.data,
        "movie_title_offsets": titles.offsets,
        "movie_years": years,
        "movie_genres": genres["codes"],
        "movie_genre_offsets": genres["offsets"],
        "genre_movies": genres["rows"],
        "genre_movie_offsets": genres["row_offsets"],
    }
