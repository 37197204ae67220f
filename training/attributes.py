"""The columns of the items' file that answers show, as the arrays of an archive (``model/attributes.py``)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from handlers.recommender.model.attributes import Attribute, Kind, missing
from handlers.recommender.model.features import tags_of
from handlers.recommender.model.vocabulary import Vocabulary

from .arrow_texts import texts_of

Arrays = dict[str, np.ndarray]


def attribute_arrays(
    table: pd.DataFrame | None, names: Sequence[str], movies: Vocabulary
) -> tuple[tuple[Attribute, ...], Arrays]:
    """What the columns ``names`` of ``table`` are, and their arrays by the names of files.

    ``table``: movie_id and attributes; a movie without a row has none of them.
    """
    if table is None or not names:
        return (), {}
    attributes, arrays = [], {}
    places = places_of(table, movies)
    for number, name in enumerate(names):
        kind, parts = _column(table[name], places)
        attributes.append(Attribute(name, kind))
        arrays |= {f"attribute_{number}{f'_{part}' if part else ''}": array for part, array in parts.items()}
    return tuple(attributes), arrays


def places_of(table: pd.DataFrame, movies: Vocabulary) -> np.ndarray:
    """Where each row of the dictionary stands in a table with ``movie_id``: int64 [rows], -1 for nowhere."""
    places = np.full(len(movies), -1, np.int64)
    places[movies.to_rows(table["movie_id"].tolist())] = np.arange(len(table))
    places[0] = -1
    return places


def _column(column: pd.Series, places: np.ndarray) -> tuple[Kind, Arrays]:
    """The kind of a column, and its arrays by the ends of their files' names."""
    if is_numeric_dtype(column):
        return "number", {"": _numbers(column.to_numpy(np.float64 if column.hasnans else None), places)}
    texts = column.astype("str")
    lower = texts.str.lower()
    if lower.isin(("true", "false", "")).all():
        flags = np.where(lower == "", -1, lower == "true").astype(np.int8)
        return "boolean", {"": np.append(flags, np.int8(-1))[places]}
    if texts.str.contains("|", regex=False).any():
        names, tags = tags_by_row(texts, places)
        return "tags", {"": tags.pop("codes")} | _dictionary(names) | tags
    codes, unique = pd.factorize(texts.where(texts != ""), sort=True)  # -1 is missing
    return "category", {"": np.append(codes + 1, 0).astype(np.int32)[places]} | _dictionary(unique)


def _numbers(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Numbers by row: int32 or int64 where all are whole, else float64."""
    there = values[np.isfinite(values)]
    dtype = np.dtype(np.float64)
    if (there % 1 == 0).all() and (np.abs(there) < 2.0**63).all():
        dtype = np.dtype(np.int32 if (np.abs(there) < 2**31).all() else np.int64)
    by_place = np.full(len(values) + 1, missing(dtype), dtype)
    by_place[:-1][np.isfinite(values)] = there
    return by_place[places]


def _dictionary(texts: Sequence[str] | pd.Index) -> Arrays:
    """The arrays of different texts in ascending order."""
    return dict(Vocabulary(texts_of(pd.Index(texts))).arrays)


def tags_by_row(column: pd.Series, places: np.ndarray) -> tuple[list[str], Arrays]:
    """All tags of a column of texts (with | between them) in order, and the arrays of ``attributes.Tags``.

    ``places`` [rows]: where a row stands in the column, -1 for nowhere. Each different text is split once.
    """
    kinds, texts = pd.factorize(column)
    split = [tags_of(text) for text in texts] + [[]]
    names = sorted({tag for tags in split for tag in tags})
    position = {name: place for place, name in enumerate(names)}
    flat = np.array([position[tag] for tags in split for tag in tags], np.int32)
    sizes = np.array([len(tags) for tags in split], np.int64)
    starts = np.cumsum(sizes) - sizes
    kind_of = np.append(kinds, -1)[places]  # -1, a missing text, is the last, which is empty
    offsets = np.zeros(len(places) + 1, np.int64)
    np.cumsum(sizes[kind_of], out=offsets[1:])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes[kind_of])
    codes = flat[np.repeat(starts[kind_of], sizes[kind_of]) + within]
    rows = np.repeat(np.arange(len(places), dtype=np.int32), np.diff(offsets))
    row_offsets = np.zeros(len(names) + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=len(names)), out=row_offsets[1:])
    by_tag = np.argsort(codes, kind="stable")
    return names, {"codes": codes, "offsets": offsets, "rows": rows[by_tag], "row_offsets": row_offsets}
