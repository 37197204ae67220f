"""Random numbers by counter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from training.samplers.philox import WORD, Stream, philox

# The known answers of Random123, the authors' library (kat_vectors, philox4x32 10).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((WORD, WORD, WORD, WORD), (WORD, WORD), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_words_are_those_of_the_authors(counter, key, words) -> None:
    assert tuple(int(word) for word in philox(tuple(torch.tensor([each]) for each in counter), key)) == words


class TestNormals:
    rows = torch.arange(20_000)

    def test_they_are_standard_normal_and_independent(self) -> None:
        drawn = Stream(7, 3, 1).normals(self.rows, 6).numpy()
        assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
        correlation = np.corrcoef(drawn.T) - np.eye(6)
        assert np.abs(correlation).max() < 4.5 / np.sqrt(len(drawn))
        neighbours = np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]
        assert abs(neighbours) < 4.5 / np.sqrt(len(drawn))

    def test_any_division_of_the_rows_gives_the_same(self) -> None:
        stream = Stream(0, 5, 0)
        some = torch.randperm(20_000, generator=torch.Generator().manual_seed(0))[:300]
        assert torch.equal(stream.normals(self.rows, 11)[some], stream.normals(some, 11))

    @pytest.mark.parametrize("other", [Stream(1, 5, 0), Stream(0, 6, 0), Stream(0, 5, 1), Stream(1 << 40, 5, 0)])
    def test_seed_sweep_and_purpose_give_others(self, other: Stream) -> None:
        first, second = Stream(0, 5, 0).normals(self.rows, 1), other.normals(self.rows, 1)
        assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 4.5 / np.sqrt(len(self.rows))


def test_uniform_numbers_depend_on_the_pair_alone() -> None:
    users, movies = torch.arange(300), torch.arange(200, dtype=torch.int32)
    stream = Stream(0, 1, 3)
    drawn = stream.uniforms(users[:, None], movies)
    assert torch.equal(stream.uniforms(users, movies[:, None]), drawn.T)
    assert stats.kstest(drawn.ravel().numpy(), "uniform").pvalue > 0.01
