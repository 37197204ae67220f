"""Weights in the list ranker: of likes, as plays and purchases have them, and of movies' side features."""

from __future__ import annotations

import dataclasses
from itertools import product

from ..config import Settings
from ..fitting.targets import confidences
from ..interactions import Interactions
from ..metrics.names import Metric
from . import ease


def histories(train: Interactions, settings: Settings) -> Interactions:
    """``train`` as the ranker takes it: where likes have weights that count, what they weigh in the place of ratings.

    The first of the settings' powers counts.
    """
    power = settings.list_weight_powers[0]
    if train.weights is None or power == 0:
        return train
    return dataclasses.replace(train, ratings=confidences(train, power))


def several(train: Interactions, settings: Settings) -> dict[str, tuple[float, ...]]:
    """The values of those settings that ``choose`` tries with a regression each, by the settings' names.

    Powers of weights where likes have weights; weights of side features where movies have these and there are several.
    """
    found = {"list_weight_powers": settings.list_weight_powers} if train.weights is not None else {}
    if len(settings.list_feature_weights) > 1 and train.movies.schema.fields:
        found["list_feature_weights"] = settings.list_feature_weights
    return found


def choose(
    train: Interactions, validation: Interactions, settings: Settings, regression: ease.Regression | None = None
) -> tuple[Settings, dict[Metric, float]]:
    """What ``ease.choose`` gives, for the powers of weights and the weight of side features whose lists are best.

    ``regression``: that of ``train`` with the settings as they are, where it has been made; it serves where only one is
    needed.
    """
    values = several(train, settings)
    if not values:
        return ease.choose(train, validation, settings, regression)
    tried = []
    for way in product(*values.values()):
        of_way = dataclasses.replace(settings, **{name: (value,) for name, value in zip(values, way, strict=True)})
        tried.append(ease.choose(histories(train, of_way), validation, of_way, always=True))
    return max(tried, key=lambda way: way[1].get(Metric.NDCG, 0.0))
