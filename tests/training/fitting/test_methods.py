"""What a method says of a fit that it made."""

from __future__ import annotations

import pytest

from training.config import Settings
from training.data import generate
from training.estimators import ESTIMATORS
from training.interactions import encode


@pytest.mark.parametrize(
    ("model", "settings", "validation", "said"),
    [
        ("mf", Settings(epochs=3), [0.5, 0.45, 0.44], ["--epochs 6"]),
        ("mf", Settings(epochs=3), [0.5, 0.45, 0.44999], []),  # hardly
        ("mf", Settings(epochs=3), [0.5, 0.44, 0.45], []),
        ("deepfm", Settings(method="gibbs", target="like", top_epochs=2), [0.5, 0.4], ["--top-epochs 4"]),
        ("mf", Settings(method="gibbs"), [0.5, 0.4], []),  # an average of samples has no epochs
        ("mf", Settings(), [], []),
    ],
)
def test_a_loss_that_still_falls_at_the_last_epoch_is_said(model, settings, validation, said) -> None:
    interactions = encode(generate(users=30, movies=20, ratings=200).log, use_features=False)
    warned = ESTIMATORS[model](settings).method(interactions).cut_short(settings, validation)
    assert len(warned) == len(said)
    assert all(option in warning for option, warning in zip(said, warned, strict=True))
