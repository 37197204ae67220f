"""What a model is asked, in rows: who asks, about which movie, and which movies a list may hold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from .attributes import Where

NOBODY = 0  # the row of an unknown user
LIKE = math.inf  # the rating that a like stands for: above any threshold

Encoded = tuple[list[int], list[float]]  # side features: indices and weights, C of each


@dataclass(eq=False)
class UserQuery:
    """Who asks: the user of a row (0 for an unknown one), or somebody new, by side features, ratings or both.

    ``ratings``: what came with the request, by movie row; ``LIKE`` for a like. With a user of the log they are fresh:
    they add to the stored history, and replace its ratings of the same movies. ``timestamp``: the moment that a score
    is for, in seconds since 1970; None where it is for no moment.
    """

    row: int = NOBODY
    features: Encoded | None = None
    ratings: dict[int, float] = field(default_factory=dict)
    timestamp: int | None = None

    @property
    def needs_encoding(self) -> bool:
        """Whether the request says more of who asks than the log does, so that no stored encoding is theirs."""
        return bool(self.features or self.ratings)


@dataclass(eq=False)
class MovieQuery:
    """Which movie: that of a row (0 for an unknown one), or a new one, by side features."""

    row: int = 0
    features: Encoded | None = None


@dataclass(eq=False)
class Selection:
    """Which movies a list may hold: at most ``k`` of ``candidates`` (all where None) that meet all of ``where``.

    None of ``exclude``, and, where ``exclude_seen``, none that the user has rated. Candidates and ``exclude`` are rows.
    ``diversity`` and ``popularity_damping``, from 0 to 1, change the order of lists (diversity.py, popularity.py); a
    model without a list ranker has neither for recommendations. ``explore``: the probability that a place goes to
    exploration (exploration.py), whose draws ``seed`` and the user fix. ``recent_days`` and ``newest``: what orders a
    list for nobody in particular (browse.py); without both, popularity.
    """

    k: int = 0
    candidates: Sequence[int] | None = None
    exclude: Sequence[int] = ()
    where: Where = ()
    exclude_seen: bool = True
    diversity: float = 0.0
    popularity_damping: float = 0.0
    explore: float = 0.0
    seed: int | None = None
    recent_days: int | None = None
    newest: bool = False


class Share(NamedTuple):
    """What one reason adds to a number.

    ``kind`` is "movie" (``of`` is the row of a rated movie), "feature" (``of`` is the name of a side feature),
    "everybody" (what is true of all users) or "remainder" (all that is not named).
    """

    kind: str
    of: int | str | None
    share: float


class Explanation(NamedTuple):
    """A number of a list's entry, and the shares that add up to it. All are rounded to six digits."""

    total: float
    shares: list[Share]


class RankedList(NamedTuple):
    """A list, best first: movie rows int64 [n] and their scores float64 [n].

    Where asked for: ``personal`` explains each entry's score, ``order`` the number that gave it its place (None for
    a model whose lists are ordered by the score). ``explored`` bool [n]: which entries come from exploration.
    ``facts``: further numbers of the entries [n], by the names of their fields.
    """

    rows: np.ndarray
    scores: np.ndarray
    personal: list[Explanation] | None = None
    order: list[Explanation] | None = None
    explored: np.ndarray | None = None
    facts: Mapping[str, np.ndarray] = MappingProxyType({})
