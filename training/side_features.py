"""Side features of a log as the indices and weights that networks take: the schema of a table, and its rows encoded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from handlers.recommender.model.features import FeatureSchema, Field, tags_of, text_of

MAX_CATEGORIES = 25  # a numeric column with more distinct values than this is binned
BINS = 10


def schema_of(table: pd.DataFrame, names: Sequence[str]) -> FeatureSchema:
    """The fields of the columns ``names``, made for the values that they have."""
    fields: list[Field] = []
    offset = 0
    for name in names:
        field = _field(name, table[name].dropna(), offset)
        fields.append(field)
        offset += field.size
    return FeatureSchema(tuple(fields))


def encode_table(schema: FeatureSchema, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Indices int64 and weights float32, both [1 + n, C], of the n rows of ``table``; the first is of missing values.

    They are those that ``schema.encode`` gives for each row, found once for each value of a column.
    """
    indices, weights = zip(*(_encode(field, table[field.name]) for field in schema.fields), strict=True)
    return np.concatenate(indices, axis=1), np.concatenate(weights, axis=1)


def _encode(field: Field, column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    if field.kind == "number":  # nearly as many values as rows
        values = column.to_numpy(np.float64, na_value=np.nan)
        bins = np.where(np.isfinite(values), 1 + np.searchsorted(field.edges, values, side="right"), 0)
        indices = field.offset + np.concatenate([[0], bins])[:, None]
        return indices, np.ones(indices.shape, np.float32)
    codes, unique = pd.factorize(column)  # -1 is missing
    encoded = [field.encode(value) for value in (None, *unique.tolist())]
    rows = np.concatenate([[0], 1 + codes])
    return (
        np.array([indices for indices, _, _ in encoded], np.int64)[rows],
        np.array([weights for _, weights, _ in encoded], np.float32)[rows],
    )


def _field(name: str, column: pd.Series, offset: int) -> Field:
    """A field made for a column: tags where ``|`` separates values, bins for many numbers, else categories."""
    if pd.api.types.is_numeric_dtype(column):
        if column.nunique() > MAX_CATEGORIES:
            quantiles = np.quantile(column.astype(float), np.linspace(0, 1, BINS + 1)[1:-1])
            return Field(name, "number", 1, offset, edges=tuple(np.unique(quantiles).tolist()))
        return Field(name, "category", 1, offset, values=tuple(text_of(value) for value in sorted(column.unique())))
    texts = pd.Series(column.astype(str).unique(), dtype="str")
    if name == "genres" or texts.str.contains("|", regex=False).any():
        lists = [tags_of(text) for text in texts]
        most = max((len(tags) for tags in lists), default=1)
        return Field(name, "tags", max(most, 1), offset, values=tuple(sorted({tag for tags in lists for tag in tags})))
    return Field(name, "category", 1, offset, values=tuple(sorted(set(texts) - {""})))
