"""The part of the embeddings that features explain: a linear effect whose coefficients are sampled.

As in Simm et al., Macau: Scalable Bayesian Multi-relational Factorization with Side Information using MCMC, 2015, the
prior mean of an entity's embedding is ``mu + beta^T x`` for its features ``x``, and ``beta`` [F, E] has a Gaussian
prior. Macau gives it the precision ``lambda_beta * Lambda``; here its rows have a precision ``Lambda_beta`` [E, E] of
their own with a Wishart prior, so that features may explain other directions than ids do. Macau solves a system of
equations for each draw; here the features are decomposed once.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.stats import wishart


class FeatureBlock:
    """A linear effect of features ``X`` [entities, F] on embeddings, sampled in the basis of X's singular vectors.

    X are the rows ``rated`` of ``features``; what is found applies to the other rows too. In the basis of the singular
    vectors (``X = left * singular @ right``) the coefficients are independent given the embeddings, so one draw of all
    of them costs a matrix product.

    ``rotated_beta`` [K, E]: the coefficients in that basis, each row ``N(0, Lambda_beta^-1)``, where ``Lambda_beta ~
    W(prior_precision / nu_0 * I, nu_0)``. ``effects`` float32 [rated, E]: what they add to the embeddings.
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
        self.nu_0 = size + 1
        self.rotated_beta = np.zeros((len(self.singular), size))
        self.Lambda_beta = np.eye(size) * self.prior_precision
        self.effects = np.zeros((len(rated), size), np.float32)

    def beta(self) -> np.ndarray:
        """The coefficients: [F, E]."""
        return self.right.T @ self.rotated_beta

    def all_effects(self) -> np.ndarray:
        """What the features of every entity, with ratings or without, add to its embedding: [entities, E]."""
        return self.features @ self.beta()

    def sample(self, unexplained: np.ndarray, Lambda: np.ndarray) -> None:
        """Draw ``effects`` given what they have to explain [rated, E], which has the precision ``Lambda`` [E, E]."""
        inverse_root = np.linalg.inv(np.linalg.cholesky(self.Lambda_beta))
        eigenvalues, vectors = np.linalg.eigh(inverse_root @ Lambda @ inverse_root.T)
        # In this basis both precisions are diagonal: the prior's is one, the noise's the eigenvalues.
        basis = inverse_root.T @ vectors
        projected = (self.left.T @ unexplained.astype(np.float32)) @ np.linalg.inv(basis).T
        precision = np.square(self.singular)[:, None] * eigenvalues + 1
        drawn = self.singular[:, None] * eigenvalues * projected / precision
        drawn += self.rng.standard_normal(drawn.shape) / np.sqrt(precision)
        self.rotated_beta = drawn @ basis.T
        self.effects = self.left @ (self.singular[:, None] * self.rotated_beta).astype(np.float32)
        W_star_inverse = np.eye(len(basis)) * self.nu_0 / self.prior_precision + self.rotated_beta.T @ self.rotated_beta
        nu_star = self.nu_0 + len(self.singular)
        self.Lambda_beta = wishart.rvs(nu_star, np.linalg.inv(W_star_inverse), random_state=self.rng)


def _svd(features: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Thin singular value decomposition without the singular values of nearly zero."""
    used, columns = np.unique(features.indices), features.shape[1]
    left, singular, right_of_used = _svd_of_used(features[:, used])
    right = np.zeros((len(singular), columns))
    right[:, used] = right_of_used
    return left, singular, right


def _svd_of_used(features: sparse.csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    tall = features.shape[0] > features.shape[1]
    gram = (features.T @ features if tall else features @ features.T).toarray()
    values, vectors = np.linalg.eigh(gram)
    keep = values > 1e-6 * values.max(initial=0)
    singular, vectors = np.sqrt(values[keep]), vectors[:, keep]
    if tall:
        return features @ vectors / singular, singular, vectors.T
    return vectors, singular, (vectors.T @ features) / singular[:, None]
