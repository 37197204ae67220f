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
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.stats import wishart

from ..config import Settings
from ..interactions import Interactions, feature_matrix
from .features import FeatureBlock
from .likelihoods import LIKELIHOODS

ENTITIES_AT_A_TIME = 1024
PAIRS_AT_A_TIME = 16_384  # so that their embeddings stay in cache


@dataclass(frozen=True)
class Sample:
    """One factorization: ``users`` [users, E], ``movies`` [movies, E] (E = D + 1: a vector, then a bias).

    ``user_features`` [feature rows, E] and ``movie_features`` are the part of them that side features explain.
    """

    users: np.ndarray
    movies: np.ndarray
    user_features: np.ndarray
    movie_features: np.ndarray


class Sampler:
    """A chain of factorizations fitted to interactions.

    ``use_features``: whether side features and histories inform the embeddings (FM), or ids alone (MF).
    ``likelihood``: what a rating says of its score, with the present state of the noise.
    """

    def __init__(self, interactions: Interactions, settings: Settings, seed: int, use_features: bool) -> None:
        rng = np.random.default_rng(seed)
        self.settings = settings
        order = np.argsort(interactions.user_rows, kind="stable")
        self.user_rows, self.movie_rows = users, movies = interactions.user_rows[order], interactions.movie_rows[order]
        self.by_movie = np.argsort(movies, kind="stable")
        shape = interactions.shape
        rated = sparse.csr_array((np.ones(len(users), np.float32), (users, movies)), shape)
        user_blocks = [feature_matrix(interactions.users)] if use_features else []
        movie_blocks = [feature_matrix(interactions.movies)] if use_features else []
        if use_features and settings.user_history:
            user_blocks.append(_history(rated))
        if use_features and settings.movie_history:
            movie_blocks.append(_history(rated.T.tocsr()))
        make_likelihood = LIKELIHOODS[settings.ratings_as]
        self.likelihood = make_likelihood(rng, interactions.ratings[order], users, shape[0], settings.user_noise)
        self.users = SideSampler(rng, users, movies, shape[0], user_blocks, settings)
        self.movies = SideSampler(rng, movies[self.by_movie], users[self.by_movie], shape[1], movie_blocks, settings)

    def __iter__(self) -> Iterator[Sample]:
        """Yield two factorizations a sweep, after ``settings.burn_in`` sweeps."""
        users, movies, likelihood = self.users, self.movies, self.likelihood
        for sweep in range(self.settings.burn_in + self.settings.sweeps):
            others = movies.embeddings
            expected = users.sample(others, likelihood.targets, likelihood.root_alpha)
            if sweep >= self.settings.burn_in:
                likelihood.keep()
                yield Sample(expected, others, users.coefficients(), movies.coefficients())
            others = users.embeddings
            expected = movies.sample(others, likelihood.targets[self.by_movie], likelihood.root_alpha[self.by_movie])
            if sweep >= self.settings.burn_in:
                yield Sample(others, expected, users.coefficients(), movies.coefficients())
            likelihood.update(pair_scores(users.embeddings, movies.embeddings, self.user_rows, self.movie_rows))


class SideSampler:
    """The embeddings of one side, and their hyperparameters ``mu`` [E] and ``Lambda`` [E, E].

    ``U_i ~ N(mu + features, Lambda^-1)`` (equation 5), ``mu ~ N(mu_0, (beta_0 Lambda)^-1)``, ``Lambda ~ W(W_0, nu_0)``
    (equation 7). ``mu_0`` is zero; ``beta_0``: how many entities the prior of the mean counts as; ``nu_0 = E + 1`` and
    ``W_0 = prior_precision / nu_0 * I``, so that the prior's mean of Lambda is ``prior_precision * I``.

    ``rows`` [n]: whose rating each is, ascending; ``others`` [n]: the other side's row. ``blocks``: feature matrices
    [entities, features].

    ``embeddings`` float32 [entities, E]: the present draw; the prior's mean where an entity has no rating. ``rated``:
    the entities with a rating.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        rows: np.ndarray,
        others: np.ndarray,
        entities: int,
        blocks: list[sparse.csr_array],
        settings: Settings,
        beta_0: float = 1e-2,
    ) -> None:
        self.rng = rng
        self.size = settings.sample_factors + 1
        self.beta_0 = beta_0
        self.nu_0 = self.size + 1
        self.prior_precision = settings.prior_precision
        self.starts = np.searchsorted(rows, np.arange(entities + 1))
        self.rated = np.flatnonzero(np.diff(self.starts))
        self.others = others
        self.blocks = [FeatureBlock(rng, block, self.rated, self.size, self.prior_precision) for block in blocks]
        self.embeddings = rng.normal(scale=0.1, size=(entities, self.size)).astype(np.float32)
        self.embeddings[:, -1] = 0.0
        self.mu = np.zeros(self.size)
        self.Lambda = np.eye(self.size) * self.prior_precision

    def coefficients(self) -> np.ndarray:
        """What side features add to an embedding: [feature rows, E]; the first block's."""
        return self.blocks[0].beta() if self.blocks else np.zeros((1, self.size))

    def sample(self, others: np.ndarray, targets: np.ndarray, root_alpha: np.ndarray) -> np.ndarray:
        """Draw hyperparameters and ``embeddings``; returns the expectation of the latter: float32 [entities, E].

        ``others`` float32 [entities, E]: the other side's embeddings V_j; ``targets`` float32 [n]: R_ij, what the
        scores explain; ``root_alpha`` float32 [n]: square roots of the noise precisions alpha.
        """
        prior = self._sample_hyperparameters()
        expected, self.embeddings = prior.astype(np.float32), prior.astype(np.float32)
        shift = prior[self.rated] @ self.Lambda
        table = np.column_stack([others[:, :-1], np.ones(len(others), np.float32), -others[:, -1]])
        moments = np.empty((ENTITIES_AT_A_TIME, self.size + 1, self.size + 1), np.float32)
        for first in range(0, len(self.rated), ENTITIES_AT_A_TIME):
            entities = self.rated[first : first + ENTITIES_AT_A_TIME]
            for position, entity in enumerate(entities):
                rated = slice(self.starts[entity], self.starts[entity + 1])
                design = table.take(self.others[rated], axis=0)
                design[:, -1] += targets[rated]
                design *= root_alpha[rated, None]
                np.dot(design.T, design, out=moments[position])
            # alpha sum_j V_j V_j^T and alpha sum_j V_j R_ij side by side, for equations 12 and 13.
            sums = moments[: len(entities)].astype(np.float64)
            expected[entities], self.embeddings[entities] = _gaussian(
                self.rng, sums[:, :-1, :-1] + self.Lambda, sums[:, :-1, -1] + shift[first : first + len(entities)]
            )
        return expected

    def _sample_hyperparameters(self) -> np.ndarray:
        """Draw feature coefficients, Lambda and mu given the embeddings; returns the prior mean [entities, E].

        Lambda and mu are normal-Wishart (equation 14), given what the features leave of the embeddings.
        """
        embeddings = self.embeddings[self.rated]
        explained = sum((block.effects for block in self.blocks), np.zeros_like(embeddings))
        for block in self.blocks:
            explained = explained - block.effects
            block.sample(embeddings - self.mu - explained, self.Lambda)
            explained = explained + block.effects
        unexplained = embeddings - explained
        N, beta_0 = len(unexplained), self.beta_0
        U_bar = unexplained.mean(axis=0)
        deviations = unexplained - U_bar
        W_star_inverse = np.eye(self.size) * self.nu_0 / self.prior_precision + deviations.T @ deviations
        W_star_inverse += beta_0 * N / (beta_0 + N) * np.outer(U_bar, U_bar)
        self.Lambda = wishart.rvs(self.nu_0 + N, np.linalg.inv(W_star_inverse), random_state=self.rng)
        root = np.linalg.cholesky(self.Lambda * (beta_0 + N))
        noise = np.linalg.solve(root.T, self.rng.standard_normal(self.size))
        self.mu = N * U_bar / (beta_0 + N) + noise
        prior = self.mu + sum((block.all_effects() for block in self.blocks), np.zeros_like(self.embeddings))
        prior[self.rated] = self.mu + explained
        return prior


def _history(rated: sparse.csr_array) -> sparse.csr_array:
    counts = np.maximum(rated.sum(axis=1), 1)
    return sparse.csr_array(sparse.diags_array(1 / np.sqrt(counts)) @ rated)


def pair_scores(users: np.ndarray, movies: np.ndarray, user_rows: np.ndarray, movie_rows: np.ndarray) -> np.ndarray:
    """Scores of aligned rows [n], given embeddings [users, E] and [movies, E]: float32 [n]."""
    scores = np.empty(len(user_rows), np.float32)
    for start in range(0, len(scores), PAIRS_AT_A_TIME):
        part = slice(start, start + PAIRS_AT_A_TIME)
        left, right = users[user_rows[part]], movies[movie_rows[part]]
        scores[part] = np.einsum("nk,nk->n", left[:, :-1], right[:, :-1]) + left[:, -1] + right[:, -1]
    return scores


def _gaussian(rng: np.random.Generator, precision: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means ``precision^-1 shift`` [n, E] (equation 13) and a draw about each (equation 11); precisions [n, E, E]."""
    root = torch.linalg.cholesky(torch.from_numpy(precision))
    half = torch.linalg.solve_triangular(root, torch.from_numpy(shift)[..., None], upper=False)
    noise = torch.from_numpy(rng.standard_normal((*shift.shape, 1)))
    both = torch.linalg.solve_triangular(root.mT, torch.cat([half, half + noise], dim=2), upper=True).numpy()
    return both[..., 0], both[..., 1]
