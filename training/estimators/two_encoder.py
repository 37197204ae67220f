"""An estimator whose scores are a two-encoder network's and whose lists the list ranker orders."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from handlers.recommender.model.drift import Drift
from handlers.recommender.model.link import Link
from handlers.recommender.model.list_ranker import ListRanker

from ..config import MODELS, Settings, preset
from ..errors import SettingsError
from ..fitting.drift import fit_drift
from ..fitting.fit import Fit
from ..fitting.losses import OnEpoch
from ..fitting.methods import ADAM, ALS, ALS_THEN_ADAM, Method
from ..fitting.targets import targets_of
from ..fitting.tensors import ROWS_AT_A_TIME, InteractionTensors
from ..fitting.unknown import fit_unknown_rows
from ..interactions import Interactions
from ..metrics.names import Metric
from ..models import Side, TwoEncoder
from ..progress import stage
from ..rankers import ease, weighted
from .base import Ratings, Recommender


class TwoEncoderEstimator(Recommender):
    """The part that MF, FM and DeepFM share: configuration, fit, scores and lists.

    ``settings`` are those of the preset "quick" where none are given; single ones are given by name:
    ``FM(n_factors=64, seed=1)``. ``seed`` makes a fit on a CPU repeatable; ``device`` is where the network is fitted.
    Without ``list_ranker`` none is fitted, and the scores order the lists.

    ``name``: of the model on the command line and in its archive. ``title``: for people. ``network_type``: its network.
    ``methods``: by ``Settings.method``, the ways to fit that.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    network_type: ClassVar[type[TwoEncoder]]
    methods: ClassVar[dict[str, Method]] = {"adam": ADAM}

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        seed: int = 0,
        device: str | torch.device = "cpu",
        list_ranker: bool = True,
        **changes: Any,
    ) -> None:
        if settings is None:
            settings = preset("quick", self.name, changes.get("target")) if self.name in MODELS else Settings()
        self.settings = dataclasses.replace(settings, **changes)
        self.seed = seed
        self.device = torch.device(device)
        self.list_ranker = list_ranker

    @property
    def uses_features(self) -> bool:
        """Whether side features become columns; an ids-only network has none."""
        return self.network_type.uses_features

    def build(self, users: Side, movies: Side, mean: float) -> TwoEncoder:
        """A fresh network; ``mean``: of the targets, as a raw score."""
        return self.network_type(users, movies, mean)

    def method(self, train: Interactions) -> Method:
        """How the network is fitted to ``train``. Raises SettingsError for a method that this model does not have.

        As the settings say; Adam in the place of least squares where there are ratings, as these know their dislikes.
        """
        if self.settings.method not in self.methods:
            known = ", ".join(self.methods)
            raise SettingsError(f"--method is {self.settings.method}: {self.title} is fitted by {known}")
        method = self.methods[self.settings.method]
        needs_likes = method in (ALS, ALS_THEN_ADAM) and self.settings.target == "like"
        return ADAM if needs_likes and train.has_ratings else method

    def fit(self, train: Ratings, validation: Ratings | None = None, on_epoch: OnEpoch = lambda *_: None) -> Self:
        """Learn from ``train``; ``on_epoch`` is told the losses.

        ``validation`` rows choose ridge, damping, half-life and length of the list ranker and, where the method has
        epochs, the number of these. Raises DivergedError for a loss that is not finite, SettingsError for settings that
        do not go together.
        """
        return super().fit(train, validation, on_epoch=on_epoch)

    def choose_list_ranker(self, train: Interactions, validation: Interactions) -> tuple[Self, dict[Metric, float]]:
        """An estimator, not fitted, with the list ranker that ``validation`` rows choose, and its lists' metrics there.

        Nothing but list rankers is fitted; without one there is nothing to choose.
        """
        if not self.list_ranker:
            return self.with_settings(self.settings), {}
        settings, lists = weighted.choose(train, validation, self.settings)
        return self.with_settings(settings), lists

    def with_choices(self) -> Self:
        """An estimator, not fitted, with all that the validation rows chose for this one."""
        self._needs_fit()
        return self.with_settings(self._chosen)

    def with_settings(self, settings: Settings, list_ranker: bool | None = None) -> Self:
        """An estimator, not fitted, that has other settings; with or without a list ranker, as this one by default."""
        list_ranker = self.list_ranker if list_ranker is None else list_ranker
        return type(self)(settings, seed=self.seed, device=self.device, list_ranker=list_ranker)

    def _fit(self, train: Interactions, validation: Interactions | None, on_epoch: OnEpoch) -> None:
        settings, method, regression = self.settings, self.method(train), None
        if self.list_ranker and validation is not None:
            with stage("choosing the list ranker"):
                regression = None if weighted.several(train, settings) else ease.Regression(train, settings)
                settings, _ = weighted.choose(train, validation, settings, regression)
        with stage("fitting"):
            network = self.fresh_network(train).to(self.device)
            fitted = method.fit(network, train, validation, settings, self.seed, on_epoch)
            fit_unknown_rows(network.eval(), fitted.link, train, settings, copy_to_unrated=not method.draws_unrated)
        if self.list_ranker:
            histories = weighted.histories(train, settings)
            self._ranker = ease.fit(histories, settings, regression)
            del regression
            self._order = ease.order(self._ranker, histories)
        self._fitted, self._drift = fitted, self._fit_drift(fitted, train)
        self._chosen = settings if validation is None else method.with_best_epoch(settings, fitted.losses)

    def _fit_drift(self, fitted: Fit, train: Interactions) -> Drift | None:
        if not self.settings.drift or not train.has_ratings or train.timestamps is None:
            return None
        with stage("fitting the drift"), torch.no_grad():
            return fit_drift(train, lambda rows: _scores(fitted.network, rows, self.settings), fitted.link)

    def fresh_network(self, train: Interactions) -> TwoEncoder:
        """A network for the sides of ``train``, centred on its mean target, with the seed's initial weights."""
        torch.manual_seed(self.seed)
        sides = [
            Side(len(side.vocabulary), [field.size for field in side.schema.fields], self.settings.n_factors)
            for side in (train.users, train.movies)
        ]
        mean = float(targets_of(train.ratings, self.settings).mean())
        if self.settings.target == "like":
            mean = float(np.log(mean / (1 - mean))) if 0 < mean < 1 else 0.0
        return self.build(*sides, mean)

    @property
    def network(self) -> TwoEncoder:
        """The fitted network."""
        return self._needs_fit().network

    @property
    def link(self) -> Link:
        """What the network's raw scores mean."""
        return self._needs_fit().link

    @property
    def drift(self) -> Drift | None:
        """What the moment of a rating adds to raw scores; None where that is no part of the model."""
        self._needs_fit()
        return self._drift

    @property
    def losses(self) -> dict[str, list[float]]:
        """Of ``train`` and of ``validation``, by epoch; by sample, where posterior samples are averaged."""
        return dataclasses.asdict(self._needs_fit().losses)

    @property
    def ranker(self) -> ListRanker:
        """What orders the lists. Raises NotFittedError where none was fitted."""
        self._needs_fit()
        if not self.list_ranker:
            raise NotFittedError(f"this {type(self).__name__} has no list ranker: leave out list_ranker=False")
        return self._ranker

    def _needs_fit(self) -> Fit:
        _ = self.train  # raises NotFittedError
        return self._fitted

    @torch.no_grad()
    def raw_scores(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> torch.Tensor:
        """Raw scores of aligned rows int64 [n], at ``timestamps`` int64 [n] where these are known: float32 [n], CPU."""
        if not len(users):
            return torch.empty(0)
        network = self.network
        pairs = self.train.with_pairs(users, movies)
        scores = _scores(network, pairs, self.settings)
        if self.drift is not None and timestamps is not None:
            for start in range(0, len(users), ROWS_AT_A_TIME):
                part = slice(start, start + ROWS_AT_A_TIME)
                scores[part] += torch.from_numpy(self.drift.at(users[part], timestamps[part]))
        return scores

    def predict_rows(self, users: np.ndarray, movies: np.ndarray, timestamps: np.ndarray | None = None) -> np.ndarray:
        """Ratings, or probabilities of a like, float32 [n] of aligned rows int64 [n]."""
        return self.link.inverse_link(self.raw_scores(users, movies, timestamps)).numpy()

    def order(self, users: np.ndarray) -> torch.Tensor:
        """What orders the lists of user rows [B]: float32 [B, movies], of the list ranker where there is one."""
        self._needs_fit()
        return self._order(users) if self.list_ranker else super().order(users)


def _scores(network: TwoEncoder, pairs: Interactions, settings: Settings) -> torch.Tensor:
    """Raw scores of a network without drift: float32 [n] on the CPU."""
    tensors = InteractionTensors(pairs, settings, network.mean.device)
    return tensors.all_scores(network, tensors.users, tensors.movies).cpu()
