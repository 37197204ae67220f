"""The presets: every model has them, and the models' names are the same wherever they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from training.config import MODELS, PRESETS, preset
from training.estimators import ESTIMATORS

CONFIG = Path(__file__).parents[2] / "config.properties"


def test_the_models_of_training_are_those_that_are_served() -> None:
    (line,) = re.findall("^load_models=(.*)$", CONFIG.read_text(), re.MULTILINE)
    assert tuple(ESTIMATORS) == MODELS
    assert tuple(pair.split("=")[0] for pair in line.split(",")) == MODELS


@pytest.mark.parametrize("model", MODELS)
def test_a_preset_has_the_target_that_it_is_for(model: str) -> None:
    for name in ("quick", "best"):
        for target in ("rating", "like"):
            assert preset(name, model, target).target == target
        assert preset(name, model) == preset(name, model, PRESETS[model].target)
