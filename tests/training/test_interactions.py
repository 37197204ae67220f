"""Raw ids into rows: training and serving look them up in one way."""

from __future__ import annotations

import numpy as np
import pytest

from training.data import generate
from training.interactions import encode, to_rows


@pytest.mark.parametrize("string_ids", [False, True], ids=["integers", "strings"])
def test_rows_are_those_that_the_server_finds_whatever_type_the_ids_come_in(string_ids: bool) -> None:
    log = generate(seed=1, users=40, movies=30, ratings=500, string_ids=string_ids).log
    interactions = encode(log, use_features=False)
    asked = log.ratings[["user_id", "movie_id"]].astype(object)
    asked.iloc[0] = ["nobody", 10**9]
    if not string_ids:
        asked.iloc[1::2] = asked.iloc[1::2].astype(str)  # "196" is 196, as in a request
    found = to_rows(asked, interactions.users, interactions.movies)
    assert found.user_rows.tolist() == [0, *interactions.user_rows[1:]]
    assert found.movie_rows.tolist() == [0, *interactions.movie_rows[1:]]
    for rows, ids, side in ((found.user_rows, "user_id", found.users), (found.movie_rows, "movie_id", found.movies)):
        assert rows.dtype == np.int32
        assert rows.tolist() == [side.vocabulary.row(raw) for raw in asked[ids]]
    assert len(to_rows(asked[:0], interactions.users, interactions.movies)) == 0
