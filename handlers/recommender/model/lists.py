"""From the numbers that order lists to the lists: popularity damping, what is left out, the best, and diversity."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .diversity import diversified, first_pool
from .popularity import Popularity
from .query import Selection
from .topk import top


class ListMaker:
    """Makes lists of one catalogue.

    ``counts`` int64 [movies]: how often each was rated. ``vectors`` float32 [movies, D]: the product of two is the
    movies' similarity; None where lists cannot be diversified.
    """

    def __init__(self, counts: np.ndarray, vectors: Tensor | None, device: torch.device) -> None:
        self._counts, self._vectors, self._device = counts, vectors, device

    @cached_property
    def _popularity(self) -> Popularity:
        return Popularity(self._counts, self._device)

    def make(self, order: Tensor, excluded: Sequence[np.ndarray], selections: Sequence[Selection]) -> list[np.ndarray]:
        """The movie rows of each list, best first, from the numbers that order it: ``order`` [lists, movies].

        ``excluded``: for each list what it may not hold, rows int64 or a mask bool [movies]; its numbers may be
        overwritten, and no others are.
        """
        return self.best(self.damped(order, selections), excluded, selections)

    def damped(self, order: Tensor, selections: Sequence[Selection]) -> Tensor:
        """The numbers [lists, movies] after popularity damping: a copy where any selection asks for it."""
        if not any(selection.popularity_damping for selection in selections):
            return order
        order = order.clone()
        for numbers, selection in zip(order, selections, strict=True):
            if selection.popularity_damping:
                numbers.copy_(self._popularity.damped(numbers, selection.popularity_damping))
        return order

    def best(self, order: Tensor, excluded: Sequence[np.ndarray], selections: Sequence[Selection]) -> list[np.ndarray]:
        """What ``make`` gives, from numbers that are damped; those of what is ``excluded`` become -inf."""
        lists = top(order, excluded, [_candidates(selection) for selection in selections])
        for place, selection in enumerate(selections):
            if selection.diversity:
                lists[place] = diversified(order[place], lists[place], self._vectors, selection.k, selection.diversity)
        return lists


def _candidates(selection: Selection) -> int:
    return first_pool(selection.k, selection.diversity) if selection.diversity else selection.k
