"""Alternating least squares for a log of likes, with every pair that is not in it as a dislike.

The loss is that of implicit ALS (Hu, Koren and Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM
2008) in the form of Rendle et al. (Revisiting the Performance of iALS on Item Recommendation Benchmarks, RecSys 2022):

    sum over likes of c (1 - s)^2  +  alpha_0 * sum over all pairs of s^2  +  penalty * sum of |embedding - X beta|^2

for scores ``s = <p_u, q_i> + b_u + b_i``; ``c`` is the confidence of a like, whose mean is one (``targets.py``), and
``X beta`` is what side features explain (zero for MF). Given one side's embeddings those of the other have a closed
form. The sum over all pairs costs one Gram matrix, so that a sweep is
linear in likes.

Every process of ``torchrun`` solves for its share of the users and of the movies, whose likes alone it holds, as in
the Gibbs sampler.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import ClassVar

import torch
from scipy import sparse
from torch import Tensor

from .. import calls, distributed
from ..config import Settings
from ..interactions import Interactions
from ..progress import counted
from ..samplers.features import FeatureBlock
from ..samplers.gibbs import MOVIES, USERS, design_table
from ..samplers.known import Known
from ..samplers.philox import Stream
from ..samplers.shares import deal, dealt
from ..samplers.view import Block, View
from ..samplers.workers import each, one_thread_each
from .targets import confidences

FEATURE_VECTORS = 256  # singular vectors of the side features
FEATURE_RIDGE = 10.0  # squared singular values of the features are added to this, as if so many more entities had none


class Solver:
    """Alternating least squares on the likes of all processes together; going through it gives the loss of each sweep.

    The sweeps of each of ``regularizations`` (``Settings.regularizations``) in turn, each from the same start.
    ``regularization``: the present one; ``left``: how many of its sweeps are to come.
    """

    @classmethod
    def of(
        cls,
        train: Interactions,
        settings: Settings,
        regularizations: tuple[float, ...],
        power: float,
        seed: int,
        use_features: bool,
        device: torch.device | str,
    ) -> Solver:
        """The first process's, which gives the others their share of the likes; they follow (``calls.in_step``).

        ``power``: of what a like weighs, which is its confidence (``targets.confidences``).
        """
        likes = Likes(torch.from_numpy(confidences(train, power)).to(device))
        known, held = Known.of(train, likes, settings, seed, use_features, device)
        calls.give(_follow, known, regularizations)
        shares = known.shares()
        deal(held, *shares)
        return cls(known, regularizations, *known.views(held, *shares, settings.n_factors))

    def __init__(self, known: Known, regularizations: tuple[float, ...], user_view: View, movie_view: View) -> None:
        """With views of this process's likes."""
        settings, self.count = known.settings, known.likelihood.count
        self.regularizations, self.sweeps, weight = regularizations, settings.als_sweeps, settings.unobserved_weight
        features, size = known.features or (None, None), settings.n_factors + 1
        total = (1 + weight) * self.count
        self.users, self.movies = (
            LeastSquares(view, matrix, size, total / len(view.rated), Stream(known.seed, 0, purpose))
            for view, matrix, purpose in zip((user_view, movie_view), features, (USERS, MOVIES), strict=True)
        )
        pairs = len(user_view.rated) * len(movie_view.rated)
        # So that all pairs together weigh ``unobserved_weight`` times what the likes weigh.
        self.alpha_0 = weight * self.count / pairs

    def __iter__(self) -> Iterator[float]:
        """The mean squared error of the likes after each sweep, each counting as its confidence says."""
        sweeps = list(product(self.regularizations, reversed(range(self.sweeps))))
        for self.regularization, self.left in counted(sweeps, "alternating least squares", len(sweeps), "sweep"):
            if self.left == self.sweeps - 1:
                for side in (self.users, self.movies):
                    side.begin(self.regularization)
            with one_thread_each():
                self.movies.solve(self.users, self.gram(self.users))
                errors = self.users.solve(self.movies, self.gram(self.movies))
            yield float(distributed.total(errors)) / self.count

    def gram(self, side: LeastSquares) -> Tensor:
        """What all pairs with the entities of a side add to the moments of an entity of the other: [E + 1, E + 1]."""
        design = design_table(side.embeddings[side.view.rated]).double()
        return self.alpha_0 * (design.T @ design)


def _follow(known: Known, regularizations: tuple[float, ...]) -> None:
    """The sweeps, in another process than the first, with the likes that this one deals out."""
    held = dealt(Likes.value_type, known.counts[0].device)
    calls.follow(Solver(known, regularizations, *known.views(held, *known.shares(), known.settings.n_factors)))


class Likes:
    """What a like says of its score: that it is one, with a confidence. ``values``: the roots of these."""

    value_type: ClassVar[torch.dtype] = torch.float32

    def __init__(self, confidences: Tensor) -> None:
        """``confidences`` float32 [n], those of all processes."""
        self.count, self._values = len(confidences), confidences.sqrt()

    def take_values(self) -> Tensor:
        """The values [n], once."""
        values = self._values
        del self._values
        return values


class LeastSquares:
    """One side: ``embeddings`` float32 [entities, E], zero (but for features) where an entity has no like.

    ``penalty``: of their squared distances from what features explain; ``weight``: what an entity's likes and pairs
    weigh, on average. ``stream``: of the first embeddings.
    """

    def __init__(self, view: View, features: sparse.csr_array | None, size: int, weight: float, stream: Stream) -> None:
        self.view, self.size, self.weight, self.stream = view, size, weight, stream
        self.block = None
        if features is not None:
            self.block = FeatureBlock.of_matrix(features, view.rated, size, 1.0, FEATURE_VECTORS)

    def begin(self, regularization: float) -> None:
        """Start anew, with the penalty of a regularization."""
        self.penalty = regularization * self.weight
        entities = torch.arange(len(self.view.counts), device=self.view.device)
        self.embeddings = self.stream.normals(entities, self.size).float() * 0.1
        self.embeddings[:, -1] = 0.0

    def coefficients(self) -> Tensor:
        """What side features add to an embedding: float32 [feature rows, E]."""
        return self.block.beta() if self.block else torch.zeros(1, self.size, device=self.view.device)

    def solve(self, other: LeastSquares, gram: Tensor) -> Tensor:
        """Set ``embeddings`` to their optimum given the other side's, whose ``gram`` is that of all pairs.

        Returns the sum of the squared errors of this process's likes, each times its confidence: float64 [].
        """
        view, E = self.view, self.size
        table = design_table(other.embeddings)
        table[:, -1] += table[:, -2]  # the target of a like is one, and an empty slot stays zero
        prior = self._prior()
        found = prior.new_empty(len(view.entities), E)
        errors = torch.zeros(len(view.entities), dtype=torch.float64, device=view.device)

        def solve(blocks: list[Block]) -> None:
            of = slice(blocks[0].first, blocks[-1].entities.stop)
            likes = torch.zeros(of.stop - of.start, E + 1, E + 1, dtype=torch.float64, device=view.device)
            for block in blocks:
                likes[block.first - of.start : block.entities.stop - of.start] += view.weighted_moments(block, table)
            found[of] = optimum(likes + gram, prior[view.entities[of]], self.penalty)
            ends = torch.cat([-found[of].double(), torch.ones_like(likes[:, 0, :1])], dim=1)
            errors[of] = torch.einsum("ne,nef,nf->n", ends, likes, ends)

        each(solve, view.batches(), view.threads)
        self.embeddings = view.everywhere(found, prior)
        return errors.sum()

    def _prior(self) -> Tensor:
        """What features explain of the present embeddings: float32 [entities, E]."""
        if not self.block:
            return torch.zeros_like(self.embeddings)
        self.block.regress(self.embeddings[self.view.rated], FEATURE_RIDGE)
        return self.block.effects.clone()


def optimum(moments: Tensor, prior: Tensor, penalty: float) -> Tensor:
    """The embeddings with the least loss: float32 [n, E].

    ``moments`` float64 [n, E + 1, E + 1]: of the design rows, targets last; ``prior`` [n, E]: where the ``penalty`` on
    squared distances draws them.
    """
    prior = prior.double()
    identity = torch.eye(prior.shape[1], dtype=torch.float64, device=prior.device)
    root = torch.linalg.cholesky(moments[:, :-1, :-1] + penalty * identity)
    shift = moments[:, :-1, -1] + penalty * prior
    return torch.cholesky_solve(shift[..., None], root).squeeze(2).float()
