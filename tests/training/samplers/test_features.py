"""The effect of features on embeddings."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from training.samplers.features import FeatureBlock


def test_feature_effects_are_found_where_they_are_planted() -> None:
    rng = np.random.default_rng(0)
    features = sparse.csr_array((rng.random((500, 6)) < 0.4).astype(float))
    effects = rng.normal(size=(6, 3))
    block = FeatureBlock(rng, features, np.arange(500), 3, 10.0)
    drawn = []
    for _ in range(200):
        block.sample(features @ effects + rng.normal(scale=0.1, size=(500, 3)), np.eye(3) * 100)
        drawn.append(block.beta())
    np.testing.assert_allclose(np.mean(drawn[20:], axis=0), effects, atol=0.05)
