"""A table is encoded as its rows are, one by one."""

import numpy as np
import pandas as pd

from handlers.recommender.model.features import FeatureSchema
from training.data import generate
from training.side_features import encode_table, schema_of

TABLE = pd.DataFrame(
    {
        "id": range(60),
        "genres": pd.Series(["A|B", "", "B | C|B", "C", "A|B"] * 12, dtype="str"),
        "country": pd.Series(["DE", "", "FR"] * 20, dtype="str"),
        "stars": [1, 2, 3, 4] * 15,
        "age": [None, *np.linspace(10, 80, 59)],
        "year": pd.Series([None, None, *range(1950, 2008)], dtype="Int64"),
        "size": [np.inf, *range(59)],
    }
)
FEATURES = ["genres", "country", "stars", "age", "year", "size"]


def row_by_row(schema: FeatureSchema, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    columns = table[schema.names].astype(object)
    rows = [{}, *columns.where(columns.notna(), None).to_dict("records")]
    encoded = [schema.encode(row) for row in rows]
    return np.array([indices for indices, _, _ in encoded]), np.array([weights for _, weights, _ in encoded], "float32")


def test_as_row_by_row() -> None:
    log = generate(users=50, movies=40, ratings=300).log
    for table, names in ((TABLE, FEATURES), (log.users, log.user_features), (log.movies, log.movie_features)):
        schema = schema_of(table, names)
        for found, expected in zip(encode_table(schema, table), row_by_row(schema, table), strict=True):
            assert found.dtype == expected.dtype
            assert found.tolist() == expected.tolist()


def test_kinds() -> None:
    schema = schema_of(TABLE, FEATURES)
    assert [field.kind for field in schema.fields] == ["tags", "category", "category", "number", "number", "number"]
    assert schema.fields[0].values == ("A", "B", "C")
    assert schema.fields[0].columns == 2
    assert schema.fields[2].values == ("1", "2", "3", "4")
