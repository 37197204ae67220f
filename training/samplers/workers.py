"""Independent pieces of work on all threads of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Piece = TypeVar("Piece")


@contextmanager
def one_thread_each() -> Iterator[int]:
    """Give PyTorch one thread an operation for the length of the block, and say how many threads it had.

    Operations on pieces that fit in cache are too short to be shared among threads; the pieces are.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield threads
    finally:
        torch.set_num_threads(threads)


def each(work: Callable[[Piece], None], pieces: Iterable[Piece], device: torch.device) -> None:
    """Call ``work`` with every piece. On a CPU as many pieces as PyTorch has threads are in work at a time."""
    if device.type != "cpu" or torch.get_num_threads() == 1:
        for piece in pieces:
            work(piece)
        return
    with one_thread_each() as threads, ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in pool.map(torch.no_grad()(work), pieces):
            pass
