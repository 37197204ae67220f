"""Likes with weights, as plays and purchases have them, in the list ranker: whether they count, and how much."""

from __future__ import annotations

import dataclasses

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


def choose(
    train: Interactions, validation: Interactions, settings: Settings, regression: ease.Regression | None = None
) -> tuple[Settings, dict[Metric, float]]:
    """What ``ease.choose`` gives; where likes have weights, for the power of these whose lists are best.

    ``regression``: that of ``train`` without weights, where it has been made.
    """
    if train.weights is None:
        return ease.choose(train, validation, settings, regression)
    tried = []
    for power in settings.list_weight_powers:
        of_power = dataclasses.replace(settings, list_weight_powers=(power,))
        tried.append(ease.choose(histories(train, of_power), validation, of_power))
    return max(tried, key=lambda way: way[1].get(Metric.NDCG, 0.0))
