"""Several processes fit the network that one fits."""

from __future__ import annotations

import pytest
import torch

from tests.training.fits import quick
from tests.training.processes import found_together
from training import distributed
from training.data import generate
from training.estimators import ESTIMATORS
from training.fitting import parallel
from training.interactions import encode

# The last batch has one row, so that nothing is left for the second process.
MODELS = {"mf": ("adam", "rating"), "deepfm": ("adam", "like")}


def fits() -> dict[str, dict[str, torch.Tensor]]:
    """The weights of each model, and its losses, after two epochs of this process alone or with others."""
    log = generate(seed=5, users=200, movies=120, ratings=9_001).log
    found = {}
    for model, (method, target) in MODELS.items():
        settings = quick(model, target, method=method, epochs=2, dropout=0.0, batch_size=1000)
        rows = encode(log, ESTIMATORS[model].uses_features)
        train, validation = rows.take(slice(0, 8_001)), rows.take(slice(8_001, None))
        estimator = ESTIMATORS[model](settings, list_ranker=False).fit(train, validation)
        losses = {name: torch.tensor(values) for name, values in estimator.losses.items()}
        found[model] = dict(estimator.network.state_dict()) | losses
    return found


@pytest.mark.slow
def test_two_processes_fit_what_one_fits(tmp_path) -> None:
    alone = fits()
    together = found_together(fits, tmp_path)
    for model, expected in alone.items():
        for name, values in expected.items():
            torch.testing.assert_close(together[model][name], values, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 2, 4, 1000])
def test_shares_are_the_whole_batch(monkeypatch, size: int, count: int) -> None:
    monkeypatch.setattr(distributed, "size", lambda: size)
    values, mean = torch.arange(count, dtype=torch.float64), 0.0
    for rank in range(size):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        share = parallel.share_of(count)
        mean += share.weight * values[share.rows].mean()
    assert mean == pytest.approx(values.mean())
