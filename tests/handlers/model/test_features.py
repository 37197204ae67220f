"""Side features from what a file or a request says of them."""

from __future__ import annotations

import pytest

from handlers.recommender.model.features import Field

GENRES = Field("genres", "tags", columns=3, offset=10, values=("Comedy", "Drama", "War"))


@pytest.mark.parametrize("given", ["War|Comedy", ["War", "Comedy"], ["War", "Comedy", "War "], "War|War|Comedy"])
def test_a_tag_counts_once_however_often_it_is_given(given: object) -> None:
    assert GENRES.encode(given) == ([13, 11, 10], [0.5, 0.5, 0.0], False)


def test_a_tag_that_is_not_known_is_reported_and_weighs_nothing() -> None:
    assert GENRES.encode("War|Opera") == ([13, 10, 10], [1.0, 0.0, 0.0], True)
