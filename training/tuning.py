"""The choice of settings on a log's validation rows (``--tune N``), by Optuna's tree-structured Parzen estimator.

The scores and the lists are tuned apart, N trials each, because neither depends on the settings of the other. The first
trial has the settings as they are given (within the space), so that tuning makes nothing worse on the validation rows.
Finished trials are kept in ``build/tuning/``: a tuning that was cut off goes on where it was, and the same command with
a larger N adds to it. Other rows, other settings to start from, another space and other code are another study.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.trial import FrozenTrial

from .config import Settings
from .errors import SettingsError
from .estimators import TwoEncoderEstimator
from .evaluate import of_scores, predict
from .fingerprint import Fingerprint
from .fitting import methods
from .interactions import Interactions
from .metrics.names import Metric
from .rankers import ease, weighted
from .samplers.probit import MOST_LEVELS
from .search import Space, Values, best_of, search, stored

OBJECTIVES = {"rating": Metric.RMSE, "like": Metric.AUC}  # of the scores, by target

# What is tried. Not the sweeps: more cost time and are hardly ever worse, so the preset says how many. Not the epochs,
# which early stopping chooses. A fit of the list ranker gives rankers of every ridge and damping, so each trial chooses
# among the given ones (``ease.choose``), and the training that follows once more, with those below too where other
# settings than the given ones were better.
GIBBS: Space = {
    "sample_factors": IntDistribution(4, 64, log=True),
    "prior_precision": FloatDistribution(3, 200, log=True),
    "n_factors": IntDistribution(16, 96, log=True),
}
LEVELS: Space = {"ratings_as": CategoricalDistribution(("numbers", "levels"))}
ADAM: Space = {
    "n_factors": IntDistribution(8, 128, log=True),
    "learning_rate": FloatDistribution(0.0005, 0.02, log=True),
    "decay": FloatDistribution(0.001, 1.0, log=True),
}
ALS: Space = {  # the fit itself chooses the regularization
    "n_factors": IntDistribution(8, 64, log=True),
    "unobserved_weight": FloatDistribution(0.1, 10.0, log=True),
}
# By descent the perceptron finds what features say only together; on top of the sampler's machine it does not.
PERCEPTRON: Space = {"method": CategoricalDistribution(("gibbs", "adam")), "dropout": FloatDistribution(0.0, 0.5)}
ADAM_FEATURES: Space = {"feature_decay": FloatDistribution(0.001, 1.0, log=True)}
# A gain in NDCG@10 of no more than this share says nothing: for the thousand users of MovieLens 100K, the difference of
# two rankers has a standard error of 0.012, and the best of 20 that are alike gains twice as much by chance.
LISTS_NOISE = 0.03
RIDGES = (30.0, 100.0, 300.0, 1000.0, 3000.0)
DAMPINGS = (0.0, 0.1, 0.2, 0.3)
LISTS: Space = {"list_ridge_power": FloatDistribution(0.0, 1.0), "list_user_power": FloatDistribution(-1.0, 0.0)}
LIST_RATINGS: Space = {"list_rating_slope": FloatDistribution(0.0, 1.0)}


@dataclass(frozen=True)
class Part:
    """Settings that are tuned together: where they may lie, and what says which are better.

    ``noise``: the share of the metric that a gain has to be above, or the given settings stay.
    """

    name: str
    metric: Metric
    space: Space
    measured: Callable[[Settings], dict[Metric, float]]
    noise: float = 0.0

    def tried(self, given: Settings, n_trials: int, seed: int, **stored: Any) -> list[FrozenTrial]:
        """Trials that begin with the ``given`` settings; ``stored``: where the finished ones are, as for ``search``."""
        first = _first(given, self.space)
        return search(
            self.space,
            first,
            lambda values: self._value(dataclasses.replace(given, **values)),
            self.metric,
            n_trials,
            seed,
            self.name,
            **stored,
        )

    def best(self, trials: list[FrozenTrial]) -> int:
        """The position of the best trial; 0, that of the given settings, where the gain may be noise."""
        best = best_of(trials, self.metric)
        given = trials[0].value
        return best if given is None or abs(trials[best].value - given) > self.noise * given else 0

    def _value(self, settings: Settings) -> float:
        found = self.measured(settings)
        if self.metric not in found:
            raise SettingsError(
                f"--tune chooses {self.name} by {self.metric}, which the validation rows do not measure"
            )
        return found[self.metric]


def tune(
    estimator: TwoEncoderEstimator,
    train: Interactions,
    validation: Interactions,
    n_trials: int,
    study: Fingerprint,
    journal: Path,
) -> tuple[TwoEncoderEstimator, dict[str, Any]]:
    """An estimator, not fitted, with the settings that are best on ``validation`` of ``n_trials``; and what was tried.

    ``study``: what the trials depend on beside the space. The record has the metric, the trials in order and the best
    one's position, for the scores and for the lists; no seconds, so that the same training writes the same files.
    Raises SettingsError where there are no validation rows or these do not measure the metric.
    """
    if not len(validation):
        raise SettingsError(f"--tune {n_trials} chooses by validation rows, and this split has none: take another")
    given, chosen, record = estimator.settings, {}, {}
    for part in (scores_part(estimator, train, validation), lists_part(train, validation)):
        trials = part.tried(given, n_trials, estimator.seed, storage=stored(journal), name=_study_name(part, study))
        best = part.best(trials)
        record[part.name] = {
            "metric": part.metric,
            "trials": [{"settings": trial.params, "value": trial.value} for trial in trials],
            "best": best,
        }
        chosen |= trials[best].params
    settings = dataclasses.replace(given, **chosen)
    return estimator.with_settings(widened(settings) if record["lists"]["best"] else settings), record


def scores_part(estimator: TwoEncoderEstimator, train: Interactions, validation: Interactions) -> Part:
    """How the network is fitted, by fits to ``train`` that are measured on ``validation``."""

    def measured(tried: Settings) -> dict[Metric, float]:
        fitted = estimator.with_settings(tried, list_ranker=False).fit(train, validation)
        return of_scores(predict(fitted, validation), tried)

    return Part("scores", OBJECTIVES[estimator.settings.target], scores_space(estimator, train), measured)


def lists_part(train: Interactions, validation: Interactions) -> Part:
    """How the list ranker is fitted, in the same way."""

    def measured(tried: Settings) -> dict[Metric, float]:
        enough = min(max(tried.list_factors), ease.CHOOSING_FACTORS)
        if len(tried.list_ridges) == len(tried.list_dampings) == 1:
            tried = widened(tried)  # one pair of them is no choice, which would measure nothing
        return weighted.choose(train, validation, dataclasses.replace(tried, list_factors=(enough,)))[1]

    return Part("lists", Metric.NDCG, {**LISTS, **(LIST_RATINGS if train.has_ratings else {})}, measured, LISTS_NOISE)


def scores_space(estimator: TwoEncoderEstimator, train: Interactions) -> Space:
    """What is tried for the scores: it depends on how the network is fitted."""
    method = estimator.method(train)
    if method is methods.ALS:
        return ALS
    adam = {**ADAM, **(ADAM_FEATURES if estimator.uses_features else {})}
    if method is methods.ADAM:
        return adam
    if method is methods.ALS_THEN_ADAM:
        return ALS | adam | PERCEPTRON
    gibbs = {**GIBBS, **(LEVELS if len(np.unique(train.ratings)) <= MOST_LEVELS else {})}
    return gibbs if method.most_epochs is None else adam | gibbs | PERCEPTRON


def widened(settings: Settings) -> Settings:
    """With more ridges and dampings of the list ranker to choose among; the given ones first."""
    return dataclasses.replace(
        settings,
        list_ridges=tuple(dict.fromkeys((*settings.list_ridges, *RIDGES))),
        list_dampings=tuple(dict.fromkeys((*settings.list_dampings, *DAMPINGS))),
    )


def _study_name(part: Part, study: Fingerprint) -> str:
    space = {name: distribution_to_json(each) for name, each in part.space.items()}
    key = json.dumps([part.name, part.metric, space, study], sort_keys=True)
    return f"{part.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _first(settings: Settings, space: Space) -> Values:
    """The values that the settings have, moved into the space where they are outside of it."""
    values = {}
    for name, distribution in space.items():
        value = getattr(settings, name)
        if isinstance(distribution, CategoricalDistribution):
            value = value if value in distribution.choices else distribution.choices[0]
        else:
            value = min(max(value, distribution.low), distribution.high)
        values[name] = value
    return values
