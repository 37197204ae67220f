"""Work shared out among threads."""

from __future__ import annotations

import threading

import pytest
import torch

from training.samplers.workers import each


@pytest.mark.parametrize("threads", [1, 3])
def test_every_piece_is_worked_on_with_one_thread_an_operation(threads: int) -> None:
    before, seen = torch.get_num_threads(), []
    each(lambda piece: seen.append((piece, torch.get_num_threads(), threading.get_ident())), range(20), threads)
    assert sorted(piece for piece, _, _ in seen) == list(range(20))
    assert {number for _, number, _ in seen} == {1}
    assert torch.get_num_threads() == before


def test_an_error_in_a_piece_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda piece: 1 / piece, [1, 0], 2)
