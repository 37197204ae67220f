"""The hash table finds each text and no other, by the checksum that everybody knows."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from handlers.recommender.model.text_index import TextIndex, checksums
from handlers.recommender.model.texts import Texts


def drawn(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    letters = np.array(list("abcé千0"))
    return sorted({"".join(rng.choice(letters, length)) for length in rng.integers(0, 12, count)})


def test_checksums_are_crc_32(monkeypatch) -> None:
    monkeypatch.setattr("handlers.recommender.model.text_index.BLOCK", 100)
    known = [*drawn(300), "x" * 999]
    assert checksums(Texts.of(known)).tolist() == [zlib.crc32(text.encode()) for text in known]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 500])
def test_each_text_is_found_and_no_other(count: int) -> None:
    known = drawn(count)
    index = TextIndex.of(Texts.of(known))
    assert [index.find(text) for text in known] == list(range(len(known)))
    absent = ["nobody", "\ud800", *(text + "\0" for text in known)]
    assert {index.find(text) for text in absent} == {-1}


def test_texts_with_the_same_checksum_are_told_apart() -> None:
    same = ["plumless", "buckeroo"]
    assert len({zlib.crc32(text.encode()) for text in same}) == 1
    index = TextIndex.of(Texts.of(same))
    assert [index.find(text) for text in same] == [0, 1]


def test_an_index_of_other_texts_is_refused() -> None:
    index = TextIndex.of(Texts.of(drawn(50)))
    for buckets, places in ((index.buckets[:-1], index.places), (index.buckets, index.places[:-1])):
        with pytest.raises(ValueError, match="no index of"):
            TextIndex(index.texts, buckets, places)
