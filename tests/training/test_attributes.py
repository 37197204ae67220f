"""Attributes as arrays say what the file of items says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from handlers.recommender.model.array_files import ArrayFiles
from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.files import read_attributes
from handlers.recommender.model.vocabulary import Vocabulary
from training.attributes import attribute_arrays
from training.export import save

MOVIES = Vocabulary(["a", "b", "c", "d"])
FILE = pd.DataFrame(
    {
        "movie_id": ["c", "a", "b"],
        "stock": [3, 0, -2],
        "sold": [10**12, 1, 2],
        "price": [499.99, np.nan, 5.0],
        "rated": [4.0, np.nan, 2.0],
        "on_sale": ["True", "", "false"],
        "category": ["Bikes", "", "Äpfel"],
        "labels": ["new|red", "", " red | new |new"],
    }
).astype({"on_sale": "str", "category": "str", "labels": "str"})
EXPECTED = {  # of the rows: the unknown one, a, b, c, and d, which is not in the file
    "stock": ("number", [None, 0, -2, 3, None]),
    "sold": ("number", [None, 1, 2, 10**12, None]),
    "price": ("number", [None, None, 5.0, 499.99, None]),
    "rated": ("number", [None, None, 2, 4, None]),
    "on_sale": ("boolean", [None, None, False, True, None]),
    "category": ("category", [None, None, "Äpfel", "Bikes", None]),
    "labels": ("tags", [[], [], ["red", "new"], ["new", "red"], []]),
}
DTYPES = {"stock": "int32", "sold": "int64", "price": "float64", "rated": "int32", "on_sale": "int8"}


def test_what_is_written_is_read(tmp_path):
    attributes, arrays = attribute_arrays(FILE, list(EXPECTED), MOVIES)
    save(tmp_path, arrays)
    assert [attribute.name for attribute in attributes] == list(EXPECTED)
    columns = read_attributes(ArrayFiles(tmp_path), attributes, len(MOVIES))
    said = {name: (column.kind, [column.value(row) for row in range(5)]) for name, column in columns.items()}
    assert said == EXPECTED
    for number, name in enumerate(DTYPES):
        assert arrays[f"attribute_{number}"].dtype == DTYPES[name]
    with pytest.raises(ArchiveError, match=r"attribute_0.npy has 5 rows, movie_ids.npy has 6"):
        read_attributes(ArrayFiles(tmp_path), attributes, 6)
    np.save(tmp_path / "attribute_5.npy", np.full(5, 9, np.int32))
    with pytest.raises(ArchiveError, match=r"attribute_5\.npy is no column 'category'"):
        read_attributes(ArrayFiles(tmp_path), attributes, len(MOVIES))


def test_a_log_that_shows_nothing_writes_nothing():
    assert attribute_arrays(FILE, (), MOVIES) == ((), {})
    assert attribute_arrays(None, (), MOVIES) == ((), {})
