"""Fitting MF and FM by Gibbs sampling: the average of many posterior samples instead of one optimum.

A rating is ``mean + b_u + b_i + <v_u, v_i>`` plus Gaussian noise whose precision is the user's own. A user's (movie's)
vector and bias are drawn about a linear function of what is known of them: side features, and the history of what they
rated (of who rated it), every entry weighing ``1 / sqrt(n)``. Precisions have Wishart and gamma priors and are sampled
too, so there is little to tune. They are drawn given users and movies with ratings alone: of the others nothing is
known, and they follow the prior that results.

Sources: Salakhutdinov and Mnih, Bayesian Probabilistic Matrix Factorization using MCMC, ICML 2008 (the sampler);
Simm et al., Macau: Scalable Bayesian Multi-relational Factorization, 2015 (features in the prior's mean);
Koren, Factorization Meets the Neighborhood, KDD 2008 (histories). Each half sweep adds the expectation of one side
given the other instead of its draw (Rao-Blackwell), which costs nothing and takes fewer sweeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from scipy.stats import wishart

from ..config import Settings
from ..dataset import Dataset, feature_matrix
from .observation import Levels, Numbers

ENTITIES_AT_A_TIME = 1024
PAIRS_AT_A_TIME = 16_384  # so that their embeddings stay in cache
OBSERVED = {"numbers": Numbers, "levels": Levels}


@dataclass(frozen=True)
class Sample:
    """One factorization: ``users`` [users, E], ``movies`` [movies, E] (E = rank + 1: a vector, then a bias).

    ``user_features`` [feature rows, E] and ``movie_features`` are the part of them that side features explain.
    """

    users: np.ndarray
    movies: np.ndarray
    user_features: np.ndarray
    movie_features: np.ndarray


class Sampler:
    """A chain of factorizations fitted to the rows ``index`` of a dataset.

    ``use_features``: whether side features and histories inform the vectors (FM), or ids alone (MF). ``observed``: the
    present state of the noise.
    """

    def __init__(self, dataset: Dataset, index: np.ndarray, settings: Settings, seed: int, use_features: bool) -> None:
        rng = np.random.default_rng(seed)
        self.settings = settings
        order = index[np.argsort(dataset.user_rows[index], kind="stable")]
        self.user_rows, self.movie_rows = users, movies = dataset.user_rows[order], dataset.movie_rows[order]
        self.by_movie = np.argsort(movies, kind="stable")
        shape = (len(dataset.users.vocabulary), len(dataset.movies.vocabulary))
        rated = sparse.csr_array((np.ones(len(users), np.float32), (users, movies)), shape)
        user_blocks = [feature_matrix(dataset.users), _history(rated)] if use_features else []
        movie_blocks = [feature_matrix(dataset.movies), _history(rated.T.tocsr())] if use_features else []
        self.observed = OBSERVED[settings.ratings_as](rng, dataset.ratings[order], users, shape[0])
        self.users = SideSampler(rng, users, movies, shape[0], user_blocks, settings)
        self.movies = SideSampler(rng, movies[self.by_movie], users[self.by_movie], shape[1], movie_blocks, settings)

    def __iter__(self) -> Iterator[Sample]:
        """Yield two factorizations a sweep, after ``settings.burn_in`` sweeps."""
        users, movies, observed = self.users, self.movies, self.observed
        for sweep in range(self.settings.burn_in + self.settings.sweeps):
            others = movies.embeddings
            expected = users.sample(others, observed.targets, observed.root)
            if sweep >= self.settings.burn_in:
                observed.keep()
                yield Sample(expected, others, users.coefficients(), movies.coefficients())
            others = users.embeddings
            expected = movies.sample(others, observed.targets[self.by_movie], observed.root[self.by_movie])
            if sweep >= self.settings.burn_in:
                yield Sample(others, expected, users.coefficients(), movies.coefficients())
            observed.update(pair_scores(users.embeddings, movies.embeddings, self.user_rows, self.movie_rows))


class SideSampler:
    """The vectors and biases of one side, and the hierarchy above them.

    ``rows`` [n]: whose rating each is, ascending; ``others`` [n]: the other side's row. ``blocks``: feature matrices
    [entities, features]. ``mean_strength``: how many entities the prior of the embeddings' mean, zero, counts as.

    ``embeddings`` float32 [entities, E]: the present draw; the prior's mean where an entity has no rating.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        rows: np.ndarray,
        others: np.ndarray,
        entities: int,
        blocks: list[sparse.csr_array],
        settings: Settings,
        mean_strength: float = 1e-2,
    ) -> None:
        self.rng = rng
        self.mean_strength = mean_strength
        self.size = settings.rank + 1
        self.prior_precision = settings.prior_precision
        self.starts = np.searchsorted(rows, np.arange(entities + 1))
        self.rated = np.flatnonzero(np.diff(self.starts))
        self.others = others
        self.blocks = [FeatureBlock(rng, block, self.rated, self.size, self.prior_precision) for block in blocks]
        self.embeddings = rng.normal(scale=0.1, size=(entities, self.size)).astype(np.float32)
        self.embeddings[:, -1] = 0.0
        self.mean = np.zeros(self.size)
        self.precision = np.eye(self.size) * self.prior_precision

    def coefficients(self) -> np.ndarray:
        """What side features add to an embedding: [feature rows, E]; the first block's."""
        return self.blocks[0].coefficients() if self.blocks else np.zeros((1, self.size))

    def sample(self, others: np.ndarray, targets: np.ndarray, root: np.ndarray) -> np.ndarray:
        """Draw the hierarchy, then ``embeddings``; returns their expectation given all else: float32 [entities, E].

        ``others`` float32 [entities, E]: the other side's embeddings; ``targets`` float32 [n]: what the scores
        explain; ``root`` float32 [n]: square roots of the noise precisions.
        """
        prior = self._sample_hierarchy()
        expected, self.embeddings = prior.astype(np.float32), prior.astype(np.float32)
        shift = prior[self.rated] @ self.precision
        table = np.column_stack([others[:, :-1], np.ones(len(others), np.float32), -others[:, -1]])
        moments = np.empty((ENTITIES_AT_A_TIME, self.size + 1, self.size + 1), np.float32)
        for first in range(0, len(self.rated), ENTITIES_AT_A_TIME):
            here = self.rated[first : first + ENTITIES_AT_A_TIME]
            for entity, place in enumerate(here):
                rated = slice(self.starts[place], self.starts[place + 1])
                design = table.take(self.others[rated], axis=0)
                design[:, -1] += targets[rated]
                design *= root[rated, None]
                np.dot(design.T, design, out=moments[entity])
            some = moments[: len(here)].astype(np.float64)
            expected[here], self.embeddings[here] = _gaussian(
                self.rng, some[:, :-1, :-1] + self.precision, some[:, :-1, -1] + shift[first : first + len(here)]
            )
        return expected

    def _sample_hierarchy(self) -> np.ndarray:
        """Draw feature coefficients, mean and precision given the embeddings; returns the prior mean [entities, E].

        Mean and precision are normal-Wishart (Salakhutdinov and Mnih, equation 14).
        """
        embeddings = self.embeddings[self.rated]
        explained = sum((block.values for block in self.blocks), np.zeros_like(embeddings))
        for block in self.blocks:
            explained = explained - block.values
            block.sample(embeddings - self.mean - explained, self.precision)
            explained = explained + block.values
        rest = embeddings - explained
        count, weak = len(rest), self.mean_strength
        centre = rest.mean(axis=0)
        spread = rest - centre
        freedom = self.size + 1
        scale = np.eye(self.size) * freedom / self.prior_precision + spread.T @ spread
        scale += weak * count / (weak + count) * np.outer(centre, centre)
        self.precision = wishart.rvs(freedom + count, np.linalg.inv(scale), random_state=self.rng)
        root = np.linalg.cholesky(self.precision * (weak + count))
        noise = np.linalg.solve(root.T, self.rng.standard_normal(self.size))
        self.mean = count * centre / (weak + count) + noise
        prior = self.mean + sum((block.everywhere() for block in self.blocks), np.zeros_like(self.embeddings))
        prior[self.rated] = self.mean + explained
        return prior


class FeatureBlock:
    """A linear effect of features ``X`` [entities, F] on embeddings, sampled in the basis of X's singular vectors.

    X are the rows ``rated`` of ``features``; what is found applies to the other rows too. In the basis of the singular
    vectors (``X = left * singular @ right``) the coefficients are independent given the embeddings, so one draw of all
    of them costs a matrix product.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        features: sparse.csr_array,
        rated: np.ndarray,
        size: int,
        prior_precision: float,
    ) -> None:
        self.rng = rng
        self.features = features
        self.left, self.singular, self.right = _svd(features[rated])
        self.left = self.left.astype(np.float32)
        # Mean squared norm of a row; without features there is nothing to scale.
        scale = np.square(self.singular).sum() / len(rated) or 1.0
        self.prior_precision = prior_precision * scale
        self.rotated = np.zeros((len(self.singular), size))
        self.precision = np.eye(size) * self.prior_precision
        self.values = np.zeros((len(rated), size), np.float32)

    def coefficients(self) -> np.ndarray:
        """[F, E]."""
        return self.right.T @ self.rotated

    def everywhere(self) -> np.ndarray:
        """What the features of every entity, with ratings or without, add to its embedding: [entities, E]."""
        return self.features @ self.coefficients()

    def sample(self, rest: np.ndarray, noise_precision: np.ndarray) -> None:
        """Draw ``values`` [rated, E] given what they have to explain, ``rest`` [rated, E]."""
        inverse_root = np.linalg.inv(np.linalg.cholesky(self.precision))
        eigenvalues, vectors = np.linalg.eigh(inverse_root @ noise_precision @ inverse_root.T)
        # In this basis both precisions are diagonal: the prior's is one, the noise's the eigenvalues.
        basis = inverse_root.T @ vectors
        projected = (self.left.T @ rest.astype(np.float32)) @ np.linalg.inv(basis).T
        precision = np.square(self.singular)[:, None] * eigenvalues + 1
        drawn = self.singular[:, None] * eigenvalues * projected / precision
        drawn += self.rng.standard_normal(drawn.shape) / np.sqrt(precision)
        self.rotated = drawn @ basis.T
        self.values = self.left @ (self.singular[:, None] * self.rotated).astype(np.float32)
        size = len(self.precision)
        scale = np.eye(size) * (size + 1) / self.prior_precision + self.rotated.T @ self.rotated
        freedom = size + 1 + len(self.singular)
        self.precision = wishart.rvs(freedom, np.linalg.inv(scale), random_state=self.rng)


def _history(rated: sparse.csr_array) -> sparse.csr_array:
    counts = np.maximum(rated.sum(axis=1), 1)
    return sparse.csr_array(sparse.diags_array(1 / np.sqrt(counts)) @ rated)


def _svd(features: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition without the directions that carry nothing."""
    used, columns = np.unique(features.indices), features.shape[1]
    left, singular, right = _svd_of_used(features[:, used])
    everywhere = np.zeros((len(singular), columns))
    everywhere[:, used] = right
    return left, singular, everywhere


def _svd_of_used(features: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tall = features.shape[0] > features.shape[1]
    gram = (features.T @ features if tall else features @ features.T).toarray()
    values, vectors = np.linalg.eigh(gram)
    keep = values > 1e-6 * values.max(initial=0)
    singular, vectors = np.sqrt(values[keep]), vectors[:, keep]
    if tall:
        return features @ vectors / singular, singular, vectors.T
    return vectors, singular, (vectors.T @ features) / singular[:, None]


def pair_scores(users: np.ndarray, movies: np.ndarray, user_rows: np.ndarray, movie_rows: np.ndarray) -> np.ndarray:
    """Scores of aligned rows [n], given embeddings [users, E] and [movies, E]: float32 [n]."""
    scores = np.empty(len(user_rows), np.float32)
    for start in range(0, len(scores), PAIRS_AT_A_TIME):
        here = slice(start, start + PAIRS_AT_A_TIME)
        left, right = users[user_rows[here]], movies[movie_rows[here]]
        scores[here] = np.einsum("nk,nk->n", left[:, :-1], right[:, :-1]) + left[:, -1] + right[:, -1]
    return scores


def _gaussian(rng: np.random.Generator, precision: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means ``precision^-1 shift`` [n, E] and a draw about each, for precisions [n, E, E]."""
    root = torch.linalg.cholesky(torch.from_numpy(precision))
    half = torch.linalg.solve_triangular(root, torch.from_numpy(shift)[..., None], upper=False)
    noise = torch.from_numpy(rng.standard_normal((*shift.shape, 1)))
    both = torch.linalg.solve_triangular(root.mT, torch.cat([half, half + noise], dim=2), upper=True).numpy()
    return both[..., 0], both[..., 1]
