"""What answers say of the movies: title, year and genres by row, in arrays that are memory-mapped in an archive."""

from collections.abc import Mapping, Sequence

import numpy as np

from .texts import Texts, lead_through

NO_YEAR = np.iinfo(np.int32).min

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
        self.years = arrays["movie_years"]
        self._names = genre_names
        self._codes, self._code_offsets = arrays["movie_genres"], arrays["movie_genre_offsets"]
        self._movies, self._movie_offsets = arrays["genre_movies"], arrays["genre_movie_offsets"]
        self._position = {name: position for position, name in enumerate(genre_names)}
        lengths = {
            "movie_years": (len(self.years), len(self.titles)),
            "movie_genre_offsets": (len(self._code_offsets), len(self.titles) + 1),
            "genre_movie_offsets": (len(self._movie_offsets), len(genre_names) + 1),
        }
        for name, (found, expected) in lengths.items():
            if found != expected:
                raise ValueError(f"{name} has {found} entries, expected {expected}")
        parts = {
            "movie_genre_offsets": (self._code_offsets, self._codes),
            "genre_movie_offsets": (self._movie_offsets, self._movies),
        }
        for name, (offsets, values) in parts.items():
            if not lead_through(offsets, len(values)):
                raise ValueError(f"{name} does not lead through {len(values)} entries in order")

    def __len__(self) -> int:
        """The number of rows, that of the unknown movie included."""
        return len(self.titles)

    def __contains__(self, genre: str) -> bool:
        return genre in self._position

    def title(self, row: int) -> str | None:
        """A movie's title."""
        return self.titles[row] or None

    def year(self, row: int) -> int | None:
        """The year that it came out in."""
        year = self.years.item(row)
        return None if year == NO_YEAR else year

    def genres(self, row: int) -> list[str]:
        """Its genres."""
        return [self._names[code] for code in self._codes[self._code_offsets[row] : self._code_offsets[row + 1]]]

    def of_genre(self, genre: str) -> np.ndarray:
        """The rows int32 of a genre's movies; none for a genre that no movie has."""
        position = self._position.get(genre)
        if position is None:
            return self._movies[:0]
        return self._movies[self._movie_offsets[position] : self._movie_offsets[position + 1]]
