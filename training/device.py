"""Where networks are fitted, and by how many threads."""

from __future__ import annotations

import torch
from threadpoolctl import threadpool_limits

from .errors import SettingsError

MANY_RATINGS = 500_000


def threads(asked: int | None, ratings: int) -> int:
    """Threads on a CPU for a log of so many ``ratings``, where no number is ``asked`` for.

    A small log gains little from a second thread, and loses much where others want the cores. One of half a
    million or more gets as many as torch takes by itself: one a core, or what ``OMP_NUM_THREADS`` says.
    """
    if asked is not None:
        return asked
    return torch.get_num_threads() if ratings >= MANY_RATINGS else 1


def use_threads(count: int) -> None:
    """Let PyTorch, NumPy and SciPy use so many threads on a CPU from now on."""
    torch.set_num_threads(count)
    threadpool_limits(count)


def chosen(asked: str) -> torch.device:
    """The device that ``auto``, ``cpu`` or ``cuda`` means here; ``auto`` is a GPU where there is one.

    Raises SettingsError for ``cuda`` where PyTorch finds no GPU.
    """
    there_is = torch.cuda.is_available()
    if asked == "cuda" and not there_is:
        raise SettingsError(
            "--device is cuda, and PyTorch finds no GPU here: use --device cpu, or PyTorch's CUDA build"
        )
    return torch.device("cuda" if there_is and asked != "cpu" else "cpu")
