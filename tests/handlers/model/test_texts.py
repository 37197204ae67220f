"""Texts in two arrays are the texts that went in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.recommender.model.texts import Texts

SOME = ["", "a", "u-1", "Amélie", "千と千尋", "\0", "x" * 1000, ""]


def test_what_goes_in_comes_out() -> None:
    texts = Texts.of(SOME)
    assert list(texts) == SOME
    assert [texts[-1], texts[2:4]] == ["", SOME[2:4]]
    assert list(Texts.of([])) == []
    with pytest.raises(IndexError):
        texts[len(SOME)]


def test_offsets_of_other_texts_are_refused() -> None:
    texts = Texts.of(SOME)
    for offsets in (texts.offsets[:-2], texts.offsets + 1, np.zeros(0, np.int64)):
        with pytest.raises(ValueError, match="do not span"):
            Texts(texts.data, offsets)
    back = texts.offsets.copy()
    back[2] = back[4]
    with pytest.raises(ValueError, match="do not span"):
        Texts(texts.data, back)


@given(st.lists(st.text("ab\0é千\U0001f600", max_size=4), max_size=12), st.booleans())
def test_they_ascend_as_strings_of_python_do(texts: list[str], ordered: bool) -> None:
    if ordered:
        texts = sorted(set(texts))
    expected = all(first < second for first, second in pairwise(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("handlers.recommender.model.texts.BLOCK", 3)
        assert Texts.of(texts).ascend() == expected
