"""Exploration: some places of a list go to movies that may be better than the log could show so far.

Thompson sampling (Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 1933): a place
goes to the movie that is best by one draw from the posterior of the numbers that order lists. How often a movie is
chosen is known only as well as its ratings are many. With a Poisson count n and a gamma prior of shape 1, the posterior
of this rate is a gamma distribution of shape ``1 + n``. So a number is multiplied by ``gamma(1 + n) / (1 + n)``, whose
mean is 1 and whose standard deviation is ``1 / sqrt(1 + n)``: a movie that nobody has rated may be worth several times
as much as its features say, and one with thousands of ratings stays where it is. The counts are all that this needs.

The draws are those of Wilson and Hilferty ("The distribution of chi-square", PNAS 1931), which are close for every
shape a: the cube of a normal variable of mean ``1 - 1 / (9 a)`` and variance ``1 / (9 a)``. Each movie gets 32 random
bits, 24 of which make a normal variable, so a draw is at most ``LARGEST``. Only movies whose number is large enough to
enter the list with such a draw, and whose bits are small enough, get a normal variable and a product. The list is the
same as if all did.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .lists import ListMaker
from .query import Selection
from .topk import NOTHING, top

Explored = np.ndarray | None  # bool [n]: which entries of a list come from exploration; None where none was asked for

UNIFORMS = 1 << 24  # values of a uniform variable, as many as a float32 tells apart
SMALLEST = 1e-6  # of draws: the approximation reaches below 0, and a number of -inf times 0 would be none


class Exploration:
    """Makes lists, and gives some of their places to exploration where a selection asks for that.

    ``counts`` int64 [movies]: how often each was rated.
    """

    def __init__(self, lists: ListMaker, counts: np.ndarray) -> None:
        self._lists, self._counts = lists, counts

    def make(
        self,
        order: Tensor,
        excluded: Sequence[np.ndarray],
        selections: Sequence[Selection],
        users: Sequence[int],
    ) -> tuple[list[np.ndarray], list[Explored]]:
        """The rows of each list as ``ListMaker.make`` gives them, and which of them come from exploration.

        A seed gives each of the ``users`` (rows, 0 for somebody unknown) draws of their own.
        """
        order = self._lists.damped(order, selections)
        lists = self._lists.best(order, excluded, selections)
        explored: list[Explored] = [None] * len(lists)
        for number, (selection, user) in enumerate(zip(selections, users, strict=True)):
            if selection.explore:
                of_places, of_movies = _streams(selection.seed, user)
                explored[number] = np.random.Generator(of_places).random(len(lists[number])) < selection.explore
                if explored[number].any():
                    bits = random_bits(of_movies, len(self._counts))
                    sampled = self._sampled(order[number], lists[number], bits, selection)
                    lists[number] = mixed(lists[number], sampled, explored[number])
        return lists, explored

    def _sampled(self, order: Tensor, plain: np.ndarray, bits: np.ndarray, selection: Selection) -> np.ndarray:
        """The rows of the list of the largest draws; ``plain``: those of the list of the largest numbers.

        ``order`` [movies]: the numbers, -inf for what the list may not hold. ``bits`` uint32 [movies].
        """
        numbers = order.cpu().numpy()

        def drawn(rows: np.ndarray) -> np.ndarray:
            some, rates = numbers[rows], relative_rates(bits[rows], self._counts[rows])
            return np.where(some < 0, some / rates, some * rates)  # a small draw never lifts a movie

        if selection.diversity:  # any movie can be in such a list
            draws = torch.from_numpy(drawn(np.arange(len(numbers))))[None].to(order.device)
            return self._lists.best(draws, [NOTHING], [selection])[0]
        if len(plain) < selection.k:  # all that there is
            can_be = numbers > -np.inf
        else:
            first, last = numbers[plain[[0, -1]]]
            draws = drawn(np.flatnonzero(numbers >= (last / 2 if last > 0 else last)))
            least = np.partition(draws, -selection.k)[-selection.k]  # the list has as many that are no smaller
            can_be = numbers >= (least / LARGEST if least > 0 else least * LARGEST)
            if least > 0:
                can_be &= bits <= most_bits(least / first)
        rows = np.flatnonzero(can_be)
        (places,) = top(torch.from_numpy(drawn(rows))[None], [NOTHING], [selection.k])
        return rows[places]


def relative_rates(bits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """A draw of each movie's rate, relative to its expectation, from random ``bits`` uint32 [n]: float32 [n], above 0.

    The smallest bits make the largest draws. ``counts`` int64 [n].
    """
    # The middles of intervals of (0, 1); that of the last one would round to 1, which is an infinite normal variable.
    middles = torch.from_numpy(((bits >> 8).astype(np.float32) + 0.5) / UNIFORMS).clamp_(max=1 - 1 / UNIFORMS)
    deviations = (9 * (1 + torch.from_numpy(counts).float())).rsqrt_()
    rates = torch.special.ndtri(middles).add_(deviations).mul_(-deviations).add_(1).pow_(3)
    return rates.clamp_(min=SMALLEST).numpy()


LARGEST = relative_rates(np.zeros(1, np.uint32), np.zeros(1, np.int64)).item()  # of a movie that nobody has rated


def most_bits(rate: float) -> int:
    """Bits above this make no draw of ``rate`` or more, whatever the count.

    A draw of more than ``(1 + 1 / 9)^3`` is largest for the count 0: ``1 - d^2 + d z`` grows with the deviation d, at
    most 1 / 3, where the normal variable z is above 2 d, and is at most ``1 + 1 / 9`` where it is not.
    """
    rate *= 1 - 1e-3  # more than what rounding changes
    if rate < (1 + 1 / 9) ** 3:
        return (1 << 32) - 1
    z = 3 * (rate ** (1 / 3) - 1 + 1 / 9)
    return int(math.ldexp(math.erfc(z / math.sqrt(2)) / 2, 32)) + (1 << 8)


def _streams(seed: int | None, user: int) -> tuple[np.random.SFC64, np.random.SFC64]:
    """Random bits for the places of a list, and others for the movies, so that a longer list has the same draws.

    A seed and a user fix them; without a seed they are always new.
    """
    sequence = np.random.SeedSequence(None if seed is None else (seed, user))
    of_places, of_movies = (np.random.SFC64(each) for each in sequence.spawn(2))
    return of_places, of_movies


def random_bits(stream: np.random.SFC64, count: int) -> np.ndarray:
    """The next ones of a stream: uint32 [count]."""
    return stream.random_raw(-(-count // 2)).view(np.uint32)[:count]


def mixed(plain: np.ndarray, sampled: np.ndarray, from_sampled: np.ndarray) -> np.ndarray:
    """A list without repetition: each place has the next of ``sampled`` where ``from_sampled``, else of ``plain``.

    All [n]. Both lists are as long as the result, so neither runs out.
    """
    sources = {True: iter(sampled.tolist()), False: iter(plain.tolist())}
    listed: dict[int, None] = {}
    for choice in from_sampled.tolist():
        listed[next(row for row in sources[choice] if row not in listed)] = None
    return np.array(list(listed), np.int64)
