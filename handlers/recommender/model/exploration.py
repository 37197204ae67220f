"""Exploration: some places of a list go to movies that may be better than the log could show so far.

Thompson sampling (Thompson, "On the likelihood that one unknown probability exceeds another", Biometrika 1933): a place
goes to the movie that is best by one draw from the posterior of the numbers that order lists. How often a movie is
chosen is known only as well as its ratings are many. With a Poisson count n and a gamma prior of shape 1, the posterior
of this rate is a gamma distribution of shape ``1 + n``. So a number is multiplied by ``gamma(1 + n) / (1 + n)``, whose
mean is 1 and whose standard deviation is ``1 / sqrt(1 + n)``: a movie that nobody has rated may be worth several times
as much as its features say, and one with thousands of ratings stays where it is. The counts are all that this needs.

The draws are those of Wilson and Hilferty ("The distribution of chi-square", PNAS 1931), which are close for every
shape a: the cube of a normal variable of mean ``1 - 1 / (9 a)`` and variance ``1 / (9 a)``. For a million movies they
take a fifth of the time of gamma draws.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .lists import ListMaker
from .query import Selection

Explored = np.ndarray | None  # bool [n]: which entries of a list come from exploration; None where none was asked for


class Exploration:
    """Makes lists, and gives some of their places to exploration where a selection asks for that.

    ``counts`` int64 [movies]: how often each was rated.
    """

    def __init__(self, lists: ListMaker, counts: np.ndarray, device: torch.device) -> None:
        self._lists, self._counts, self._device = lists, counts, device

    def make(
        self, order: Tensor, excluded: Sequence[np.ndarray], selections: Sequence[Selection]
    ) -> tuple[list[np.ndarray], list[Explored]]:
        """The rows of each list as ``ListMaker.make`` gives them, and which of them come from exploration."""
        lists: list[np.ndarray] = self._lists.make(order, excluded, selections)
        explored: list[Explored] = [None] * len(lists)
        for number, selection in enumerate(selections):
            if selection.explore:
                generator = _generator(selection.seed)
                rates = self._relative_rates(generator)
                # A number below 0 is divided: a small draw never lifts a movie.
                drawn = order[number] * torch.where(order[number] < 0, 1 / rates, rates)
                # After the rates, which so are the same for lists of every length.
                drawn_places = (torch.rand(len(lists[number]), generator=generator) < selection.explore).numpy()
                (sampled,) = self._lists.make(drawn.unsqueeze(0), [excluded[number]], [selection])
                lists[number] = mixed(lists[number], sampled, drawn_places)
                explored[number] = drawn_places
        return lists, explored

    @cached_property
    def _deviations(self) -> Tensor:
        """Those of the normal variables of all movies: float32 [movies]."""
        shapes = torch.from_numpy(self._counts).to(self._device, torch.float32) + 1
        return (9 * shapes).rsqrt()

    def _relative_rates(self, generator: torch.Generator) -> Tensor:
        """A draw of each movie's rate, relative to its expectation: float32 [movies], above 0."""
        rates = torch.randn(len(self._counts), generator=generator).to(self._device)
        rates.sub_(self._deviations).mul_(self._deviations).add_(1).pow_(3)
        return rates.clamp_(min=torch.finfo(rates.dtype).tiny)  # 0 times a number of -inf would be none


def _generator(seed: int | None) -> torch.Generator:
    """One whose draws a seed fixes; without a seed, one that draws anew."""
    generator = torch.Generator()
    if seed is None:
        generator.seed()  # a new generator alone has always the same one
    else:
        generator.manual_seed(seed)
    return generator


def mixed(plain: np.ndarray, sampled: np.ndarray, from_sampled: np.ndarray) -> np.ndarray:
    """A list without repetition: each place has the next of ``sampled`` where ``from_sampled``, else of ``plain``.

    All [n]. Both lists are as long as the result, so neither runs out.
    """
    sources = {True: iter(sampled.tolist()), False: iter(plain.tolist())}
    listed: dict[int, None] = {}
    for choice in from_sampled.tolist():
        listed[next(row for row in sources[choice] if row not in listed)] = None
    return np.array(list(listed), np.int64)
