"""Bayesian matrix factorization by Gibbs sampling.

A rating is ``mean + b_u + b_i + <p_u, q_i>`` plus Gaussian noise. The embedding ``U_i`` [E] of a user (``V_j`` of a
movie) is the vector and, last, the bias, so ``E = D + 1``. Its prior is Gaussian, about a linear function of what is
known of the user: side features, and the history of what they rated (for a movie: of who rated it), every entry of a
history weighing ``1 / sqrt(n)``. The hyperparameters have priors and are sampled too, so there is little to tune. They
are drawn given the users and movies with ratings alone; the others follow the prior that results.

The symbols and the equation numbers are those of Salakhutdinov and Mnih, Bayesian Probabilistic Matrix Factorization
using Markov Chain Monte Carlo, ICML 2008. The features in the prior's mean are those of Macau (``features.py``); the
histories come from Koren, Factorization Meets the Neighborhood, KDD 2008. Each half sweep adds the expectation of one
side given the other instead of its draw (Rao-Blackwell), which costs nothing and takes fewer sweeps.

Every process of ``torchrun`` draws the embeddings of its share of the users and of the movies, whose ratings alone it
holds (``shares.py``), and all know all embeddings. The random numbers depend on what they are for alone
(``philox.py``), so that any number of processes draws the same chain, up to the order of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import wishart
from torch import Tensor

from .. import calls, distributed
from ..config import Settings
from ..interactions import Interactions
from ..progress import counted
from .features import FeatureBlock
from .known import Known
from .likelihoods import GaussianLikelihood
from .philox import Stream
from .probit import OrderedProbitLikelihood
from .shares import deal, dealt
from .view import Block, View
from .workers import each, one_thread_each

LIKELIHOODS = {"numbers": GaussianLikelihood, "levels": OrderedProbitLikelihood}  # by Settings.ratings_as
USERS, MOVIES, NOISE, RATINGS = range(4)  # what random numbers of a sweep are for
PAIRS_AT_A_TIME = 16_384  # so that their embeddings stay in cache


@dataclass(frozen=True)
class Sample:
    """One factorization: float32 ``users`` [users, E], ``movies`` [movies, E] (E = D + 1: a vector, then a bias).

    ``user_features`` [feature rows, E] and ``movie_features`` are the part of them that side features explain.
    """

    users: Tensor
    movies: Tensor
    user_features: Tensor
    movie_features: Tensor


class Sampler:
    """A chain of factorizations fitted to ratings, on their device, by all processes together.

    ``likelihood``: what a rating says of its score, with the present state of the noise.
    """

    @classmethod
    def of(
        cls,
        interactions: Interactions,
        settings: Settings,
        seed: int,
        use_features: bool,
        device: torch.device | str = "cpu",
    ) -> Sampler:
        """The first process's sampler of all its ``interactions``, of which the others get their share.

        The others follow its chain, which is to be gone through by ``calls.in_step``. ``use_features``: whether side
        features and histories inform the embeddings (FM), or ids alone (MF).
        """
        ratings = torch.from_numpy(interactions.ratings).to(device)
        likelihood = LIKELIHOODS[settings.ratings_as](ratings, settings.user_noise)
        known, ratings = Known.of(interactions, likelihood, settings, seed, use_features, device)
        calls.give(_follow, known)
        shares = known.shares()
        deal(ratings, *shares)
        views = known.views(ratings, *shares, settings.sample_factors)
        del ratings  # the views have them
        return cls(known, *views)

    def __init__(self, known: Known, user_view: View, movie_view: View) -> None:
        """With views of this process's ratings."""
        self.settings, self.seed = known.settings, known.seed
        self.likelihood, settings = known.likelihood, known.settings
        size = settings.sample_factors + 1
        self.likelihood.attach(user_view, movie_view)
        self.users = SideSampler(user_view, settings, self._stream(-1, USERS))
        self.movies = SideSampler(movie_view, settings, self._stream(-1, MOVIES))
        at_first = (torch.zeros_like(side.embeddings) for side in (self.users, self.movies))
        self.likelihood.after_sweep(*at_first, self._stream(-1, RATINGS))
        if known.features is None:
            return
        of_users, of_movies = known.features
        for side, other, features, history in (
            (self.users, movie_view, of_users, settings.user_history),
            (self.movies, user_view, of_movies, settings.movie_history),
        ):
            described = size, settings.prior_precision, settings.feature_vectors
            side.blocks.append(FeatureBlock.of_matrix(features, side.view.rated, *described))
            if history:
                side.blocks.append(FeatureBlock.of_history(side.view, other, *described))
        if settings.user_history:
            # For movies without ratings it makes no difference that counts (docs/estimators.md, New users).
            self.users.blocks[-1].take_mean_as_unknown()

    def __iter__(self) -> Iterator[Sample]:
        """Yield two factorizations a sweep, after ``settings.burn_in`` sweeps."""
        sweeps = self.settings.burn_in + self.settings.sweeps
        for number in counted(range(sweeps), "Gibbs sampling", sweeps, "sweep"):
            for half, sample in enumerate(self.sweep(number)):
                if number >= self.settings.burn_in:
                    if half == 0:
                        self.likelihood.keep()
                    yield sample

    def sweep(self, number: int) -> Iterator[Sample]:
        """Draw everything once, with the random numbers of sweep ``number``; yields a sample a half sweep."""
        with one_thread_each():
            sample = self._half_of_users(number)
        yield sample
        with one_thread_each():
            sample = self._half_of_movies(number)
        yield sample

    def _half_of_users(self, number: int) -> Sample:
        users, movies, likelihood = self.users, self.movies, self.likelihood
        likelihood.start(self._stream(number, NOISE))
        table = design_table(movies.embeddings)
        expected = users.sample(self._stream(number, USERS), table, likelihood.user_targets, likelihood)
        likelihood.after_users(users.squares, self._stream(number, RATINGS))
        return Sample(expected, movies.embeddings, users.coefficients(), movies.coefficients())

    def _half_of_movies(self, number: int) -> Sample:
        users, movies, likelihood = self.users, self.movies, self.likelihood
        table = design_table(users.embeddings, likelihood.root_alpha)
        expected = movies.sample(self._stream(number, MOVIES), table, likelihood.movie_targets)
        likelihood.after_sweep(users.embeddings, movies.embeddings, self._stream(number, RATINGS))
        return Sample(users.embeddings, expected, users.coefficients(), movies.coefficients())

    def _stream(self, sweep: int, purpose: int) -> Stream:
        return Stream(self.seed, sweep + 1, purpose)


def _follow(known: Known) -> None:
    """The chain, in another process than the first, with the ratings that this one deals out."""
    ratings = dealt(known.likelihood.value_type, known.counts[0].device)
    views = known.views(ratings, *known.shares(), known.settings.sample_factors)
    del ratings
    calls.follow(Sampler(known, *views))


class SideSampler:
    """The embeddings of one side, and their hyperparameters ``mu`` [E] and ``Lambda`` [E, E].

    ``U_i ~ N(mu + features, Lambda^-1)`` (equation 5), ``mu ~ N(mu_0, (beta_0 Lambda)^-1)``, ``Lambda ~ W(W_0, nu_0)``
    (equation 7). ``mu_0`` is zero; ``beta_0``: how many entities the prior of the mean counts as; ``nu_0 = E + 1`` and
    ``W_0 = prior_precision / nu_0 * I``, so that the prior's mean of Lambda is ``prior_precision * I``.

    ``embeddings`` float32 [entities, E]: the present draw; the prior's mean where an entity has no rating. ``blocks``:
    the effects of features. ``squares`` float64 [k]: sums of the squared errors of the view's entities after a draw.
    """

    def __init__(self, view: View, settings: Settings, stream: Stream, beta_0: float = 1e-2) -> None:
        """``stream``: of the first embeddings."""
        self.view = view
        self.size = settings.sample_factors + 1
        self.beta_0 = beta_0
        self.nu_0 = self.size + 1
        self.prior_precision = settings.prior_precision
        self.blocks: list[FeatureBlock] = []
        entities = torch.arange(len(view.counts), device=view.device)
        self.embeddings = stream.normals(entities, self.size).float() * 0.1
        self.embeddings[:, -1] = 0.0
        self.squares = torch.zeros(len(view.entities), dtype=torch.float64, device=view.device)
        self.mu = np.zeros(self.size)
        self.Lambda = np.eye(self.size) * self.prior_precision

    def coefficients(self) -> Tensor:
        """What side features add to an embedding: float32 [feature rows, E]; the first block's."""
        return self.blocks[0].beta() if self.blocks else torch.zeros(1, self.size, device=self.view.device)

    def sample(
        self, stream: Stream, table: Tensor, targets: Tensor, likelihood: GaussianLikelihood | None = None
    ) -> Tensor:
        """Draw hyperparameters and ``embeddings``; returns the expectation of the latter: float32 [entities, E].

        ``table``: the other side's ``design_table``; ``targets`` float32 [slots]: R_ij, what the scores explain.
        ``likelihood``: draws each entity's noise first, where that is of this side.
        """
        view, E = self.view, self.size
        prior = self._sample_hyperparameters(stream.generator())
        Lambda = torch.from_numpy(self.Lambda).to(view.device)
        drawn = prior.new_empty(len(view.entities), 2 * E)  # expectations and draws side by side

        def draw(blocks: list[Block]) -> None:
            of = slice(blocks[0].first, blocks[-1].entities.stop)
            entities = view.entities[of]
            # alpha sum_j V_j V_j^T and alpha sum_j V_j R_ij side by side, for equations 12 and 13.
            sums = torch.zeros(len(entities), E + 1, E + 1, dtype=torch.float64, device=view.device)
            for block in blocks:
                sums[block.first - of.start : block.entities.stop - of.start] += view.moments(block, table, targets)
            if likelihood:
                alpha = likelihood.draw_tau(entities, _squares(sums, self.embeddings[entities]))
                sums *= alpha[:, None, None]
            shift = sums[:, :-1, -1] + prior[entities].double() @ Lambda
            both = _gaussian(sums[:, :-1, :-1] + Lambda, shift, stream.normals(entities, E))
            drawn[of] = both.flatten(1)
            if likelihood:
                self.squares[of] = _squares(sums, both[:, 1]) / alpha

        each(draw, view.batches(), view.threads)
        everyone = view.everywhere(drawn, torch.cat([prior, prior], dim=1))
        expected, self.embeddings = (part.contiguous() for part in everyone.split(E, dim=1))
        return expected

    def _sample_hyperparameters(self, rng: np.random.Generator) -> Tensor:
        """Draw feature coefficients, Lambda and mu given the embeddings; returns the prior mean float32 [entities, E].

        Lambda and mu are normal-Wishart (equation 14), given what the features leave of the embeddings.
        """
        rated, mu = self.view.rated, torch.from_numpy(self.mu).to(self.view.device).float()
        for block in self.blocks:
            others = sum((other.effects for other in self.blocks if other is not block), 0 * self.embeddings)
            block.sample((self.embeddings - others)[rated] - mu, self.Lambda, rng)
        effects = sum((block.effects for block in self.blocks), 0 * self.embeddings)
        unexplained = (self.embeddings - effects)[rated].double()
        N, beta_0 = len(unexplained), self.beta_0
        U_bar = unexplained.mean(dim=0)
        deviations = unexplained - U_bar
        scatter, U_bar = (deviations.T @ deviations).cpu().numpy(), U_bar.cpu().numpy()
        W_star_inverse = np.eye(self.size) * self.nu_0 / self.prior_precision + scatter
        W_star_inverse += beta_0 * N / (beta_0 + N) * np.outer(U_bar, U_bar)
        self.Lambda = wishart.rvs(self.nu_0 + N, np.linalg.inv(W_star_inverse), random_state=rng)
        root = np.linalg.cholesky(self.Lambda * (beta_0 + N))
        noise = np.linalg.solve(root.T, rng.standard_normal(self.size))
        self.mu, self.Lambda = distributed.agreed((N * U_bar / (beta_0 + N) + noise, self.Lambda))
        return effects + torch.from_numpy(self.mu).to(effects.device).float()


def design_table(embeddings: Tensor, root_alpha: Tensor | None = None) -> Tensor:
    """Rows ``w_j (v_j, 1, -b_j)`` of embeddings [n, E], and a row of zeros: float32 [n + 1, E + 1].

    ``root_alpha`` float32 [n]: the weights ``w_j``, square roots of noise precisions; one where there are none.
    """
    vectors, biases = embeddings[:, :-1], embeddings[:, -1:]
    table = torch.cat([vectors, torch.ones_like(biases), -biases], dim=1)
    if root_alpha is not None:
        table *= root_alpha[:, None]
    return torch.cat([table, table.new_zeros(1, table.shape[1])])


def pair_scores(users: Tensor, movies: Tensor, user_rows: Tensor, movie_rows: Tensor) -> Tensor:
    """Scores of aligned rows [n], given embeddings [users, E] and [movies, E]: float32 [n]."""
    parts = []
    for left, right in zip(user_rows.split(PAIRS_AT_A_TIME), movie_rows.split(PAIRS_AT_A_TIME), strict=True):
        left, right = users.index_select(0, left), movies.index_select(0, right)
        parts.append((left[:, :-1] * right[:, :-1]).sum(1) + left[:, -1] + right[:, -1])
    return torch.cat(parts)


def _squares(moments: Tensor, embeddings: Tensor) -> Tensor:
    """Sums of squared errors [n] of entities with ``moments`` [n, E + 1, E + 1] and ``embeddings`` [n, E].

    An error is ``d_j (-U_i, 1)`` for the row ``d_j`` that the moments are made of.
    """
    ends = torch.cat([-embeddings.double(), torch.ones_like(moments[:, 0, :1])], dim=1)
    return torch.einsum("ne,nef,nf->n", ends, moments, ends).clamp_(min=0)


def _gaussian(precision: Tensor, shift: Tensor, noise: Tensor) -> Tensor:
    """Means ``precision^-1 shift`` (equation 13) and draws about them (equation 11), in turn: [n, 2, E].

    ``precision`` [n, E, E], ``shift`` [n, E], ``noise`` [n, E]: standard normal numbers.
    """
    root = torch.linalg.cholesky(precision)
    half = torch.linalg.solve_triangular(root, shift[..., None], upper=False)
    return torch.linalg.solve_triangular(root.mT, torch.cat([half, half + noise[..., None]], dim=2), upper=True).mT
