"""What answers say of the movies: title, year and genres by row, in arrays that are memory-mapped in an archive."""

from collections.abc import Mapping, Sequence

import numpy as np

from .attributes import Numbers, Tags, missing
from .texts import Texts
from .vocabulary import Vocabulary

NO_YEAR = missing(np.dtype(np.int32))

# The files of the arrays, and their dtypes. Row 0, the unknown movie, has no title, no year and no genres.
TITLE_ARRAYS = {
    "movie_titles": "uint8",  # UTF-8, end to end; an empty title is none
    "movie_title_offsets": "int64",  # [movies + 1]
    "movie_years": "int32",  # [movies], NO_YEAR where there is none
    "movie_genres": "int32",  # positions in the list of genres: those of row i are [offsets[i]:offsets[i + 1]]
    "movie_genre_offsets": "int64",  # [movies + 1]
    "genre_movies": "int32",  # the same pairs by genre: rows in ascending order
    "genre_movie_offsets": "int64",  # [genres + 1]
}


class Titles:
    """The arrays of ``TITLE_ARRAYS``, and the names of genres. Raises ValueError where they do not fit each other."""

    def __init__(self, genre_names: Sequence[str], arrays: Mapping[str, np.ndarray]) -> None:
        self.titles = Texts(arrays["movie_titles"], arrays["movie_title_offsets"])
        self.years = Numbers(arrays["movie_years"])
        self.genres = Tags(
            Vocabulary(genre_names),
            arrays["movie_genres"],
            arrays["movie_genre_offsets"],
            arrays["genre_movies"],
            arrays["genre_movie_offsets"],
        )
        for name, column in {"movie_years": self.years, "movie_genre_offsets": self.genres}.items():
            if len(column) != len(self.titles):
                raise ValueError(f"{name} has {len(column)} rows, expected {len(self.titles)}")
        self.has_years = bool((arrays["movie_years"] != NO_YEAR).any())
        self.has_genres = len(genre_names) > 0

    def __len__(self) -> int:
        """The number of rows, that of the unknown movie included."""
        return len(self.titles)

    def title(self, row: int) -> str | None:
        """A movie's title."""
        return self.titles[row] or None
