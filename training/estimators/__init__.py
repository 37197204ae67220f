"""The models: the one place that lists them. Each has a network in ``training/models`` and presets in ``config.py``."""

from __future__ import annotations

from typing import ClassVar

from .. import models
from ..fitting.methods import ADAM, ALS, ALS_THEN_ADAM, GIBBS, GIBBS_THEN_ADAM, Method
from ..interactions import Interactions
from ..models import Side
from .base import Recommender
from .two_encoder import TwoEncoderEstimator

__all__ = ["ESTIMATORS", "FM", "MF", "DeepFM", "Recommender", "TwoEncoderEstimator"]


class MF(TwoEncoderEstimator):
    """Matrix factorization with biases: ids alone."""

    name, title = "mf", "Matrix Factorization"
    network_type = models.MF
    methods: ClassVar = {"gibbs": GIBBS, "als": ALS, "adam": ADAM}


class FM(TwoEncoderEstimator):
    """Factorization machine: ids, histories and side features."""

    name, title = "fm", "Factorization Machine"
    network_type = models.FM
    methods: ClassVar = {"gibbs": GIBBS, "als": ALS, "adam": ADAM}


class DeepFM(TwoEncoderEstimator):
    """A factorization machine and a perceptron over the same embeddings; by default of the probability of a like."""

    name, title = "deepfm", "DeepFM"
    network_type = models.DeepFM
    methods: ClassVar = {"gibbs": GIBBS_THEN_ADAM, "als": ALS_THEN_ADAM, "adam": ADAM}

    def build(self, users: Side, movies: Side, mean: float) -> models.DeepFM:
        """A fresh network."""
        chosen = self.settings
        return models.DeepFM(users, movies, mean, chosen.hidden, chosen.dropout, chosen.use_fm, chosen.use_mlp)

    def method(self, train: Interactions) -> Method:
        """As the settings say; least squares in the place of the sampler, which takes ratings, for likes alone."""
        method = super().method(train)
        return ALS_THEN_ADAM if method is GIBBS_THEN_ADAM and not train.has_ratings else method


ESTIMATORS: dict[str, type[TwoEncoderEstimator]] = {each.name: each for each in (MF, FM, DeepFM)}
