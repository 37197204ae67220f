"""The ratings that each process of ``torchrun`` holds for the sampler: those of its share of the users and movies.

The first process has all ratings, and deals them out. Of ``p`` processes, one holds about ``2 / p - 1 / p^2`` of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .. import distributed

RATINGS_AT_A_TIME = 1 << 20  # that are looked at, and sent


class Ratings(NamedTuple):
    """Aligned: rows int32 of ``users`` and ``movies`` [n], and the likelihood's ``values`` [n], in the log's order."""

    users: Tensor
    movies: Tensor
    values: Tensor


class Shares:
    """Which entities of one side (users or movies) each process draws.

    Those with ratings are ordered by how many they have, and dealt out in turn. ``counts`` int64 [entities]: ratings of
    each, in all processes together. ``rated`` int64 [m]: entities with a rating, ascending. ``by_rank``: the entities
    int64 of each process, in descending order of their counts.
    """

    def __init__(self, counts: Tensor) -> None:
        self.counts = counts
        self.rated = counts.nonzero().squeeze(1)
        order = self.rated[counts[self.rated].argsort(descending=True, stable=True)]
        self.by_rank = [order[rank :: distributed.size()] for rank in range(distributed.size())]

    def has(self, rank: int) -> Tensor:
        """Whether an entity is of a process: bool [entities]."""
        found = torch.zeros_like(self.counts, dtype=torch.bool)
        found[self.by_rank[rank]] = True
        return found


def held(ratings: Ratings, users: Shares, movies: Shares, rank: int) -> Iterator[Ratings]:
    """The ratings that a process needs: those of its users and those of its movies, a part at a time, none empty."""
    of_users, of_movies = users.has(rank), movies.has(rank)
    for part in zip(*(column.split(RATINGS_AT_A_TIME) for column in ratings), strict=True):
        mine = of_users.index_select(0, part[0]) | of_movies.index_select(0, part[1])
        if mine.any():
            yield Ratings(*(column[mine] for column in part))


def deal(ratings: Ratings, users: Shares, movies: Shares) -> None:
    """Send every other process its part of the first one's ``ratings``, which are all; they wait in ``dealt``."""
    for rank in range(1, distributed.size()):
        count = sum(len(part.users) for part in held(ratings, users, movies, rank))
        distributed.send(ratings.users.new_tensor([count], dtype=torch.int64), rank)
        for part in held(ratings, users, movies, rank):
            distributed.send(ratings.users.new_tensor([len(part.users)], dtype=torch.int64), rank)
            for column in part:
                distributed.send(column, rank)


def dealt(value_type: torch.dtype, device: torch.device) -> Ratings:
    """This process's part of the ratings of the first one, whose values have a ``value_type``."""

    def number() -> int:
        return int(distributed.received(torch.empty(1, dtype=torch.int64, device=device)))

    count, start = number(), 0
    types = torch.int32, torch.int32, value_type
    ratings = Ratings(*(torch.empty(count, dtype=kind, device=device) for kind in types))
    while start < count:
        part = slice(start, start + number())
        for column in ratings:
            distributed.received(column[part])
        start = part.stop
    return ratings
