"""Independent pieces of work on several threads of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Piece = TypeVar("Piece")


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let an operation of PyTorch's use one thread for the length of the block.

    Operations on pieces that fit in cache are too short to be divided among threads: on a busy machine most of the time
    would go into waiting for each other. The pieces are divided instead (``each``).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def each(work: Callable[[Piece], None], pieces: Iterable[Piece], threads: int) -> None:
    """Call ``work`` with every piece, on so many ``threads``. Gradients are not recorded."""
    with torch.no_grad(), one_thread_each():
        if threads == 1:
            for piece in pieces:
                work(piece)
            return
        # How many threads an operation uses, and whether gradients are recorded, is a matter of each thread.
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(torch.no_grad()(work), pieces):
                pass
