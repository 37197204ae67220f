"""The ablation: every step can be fitted, what is taken away is away, and a gain is that on the step above."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks import ablation
from benchmarks.ablation import STEPS, Biases, Fitted, GlobalMean
from benchmarks.tables import fill
from training.config import preset
from training.data import generate, split

SMALL = {"sweeps": 3, "burn_in": 2, "epochs": 2, "top_epochs": 1, "sample_factors": 3, "n_factors": 8}


@pytest.fixture(scope="module")
def log():
    return generate(seed=3, users=60, movies=40, ratings=1200).log


@pytest.mark.parametrize("step", [step for steps in STEPS.values() for step in steps], ids=lambda step: step.name)
def test_every_step_is_measured(step: ablation.Step, log) -> None:
    what = step.what
    if isinstance(what, Fitted):
        what = dataclasses.replace(what, settings=dataclasses.replace(what.settings, **SMALL))
    found = what.measure(log, split(log, "random", 0), 0)
    if isinstance(what, GlobalMean):
        assert found["rmse"] == pytest.approx(log.ratings["rating"].std(), rel=0.1)
    elif "rmse" in found:  # better than the first of the table, the mean of all ratings
        assert found["rmse"] < GlobalMean().measure(log, split(log, "random", 0), 0)["rmse"]
    else:
        assert found["auc"] > 0.65
        assert found["log_loss"] < np.log(2)
    assert {"fit_s", "fit_cpu_s"} <= found.keys()


def test_a_step_takes_away_what_its_name_says() -> None:
    """Each differs from the one above by a setting; the sampler's own tests hold what that does."""
    steps = {step.name: step.what for step in STEPS["ratings"]}
    assert not steps["the average of posterior samples (Gibbs)"].settings.user_noise
    assert steps["a noise of each user's own: MF, `quick`"].settings == preset("quick", "mf")
    assert not steps["FM: the user's history"].settings.movie_history
    assert steps["the movie's history"].settings == steps["side features: FM, `quick`"].settings


def test_biases_find_planted_ones(log) -> None:
    rng = np.random.default_rng(0)
    users, movies = (log.ratings[name].astype("category").cat.codes for name in ("user_id", "movie_id"))
    planted = 3 + rng.normal(0, 0.5, 60)[users] + rng.normal(0, 0.5, 40)[movies] + rng.normal(0, 0.1, len(log))
    biased = dataclasses.replace(log, ratings=log.ratings.assign(rating=planted.astype(np.float32)))
    assert 0.09 < Biases().measure(biased, split(biased, "random", 0), 0)["rmse"] < 0.13


def test_a_gain_is_on_the_measured_step_above(tmp_path) -> None:
    first, _, third = STEPS["ratings"][:3]
    records = [
        {"table": "ratings", "name": name, "rmse": rmse, "fit_cpu_s": 2.0}
        for name, rmse in ((third.name, 0.9), (third.name, 0.8), (first.name, 1.0))
    ]
    table = ablation.steps_of_ratings(records)
    assert table.splitlines()[2:] == [
        f"| {first.name} | 1.0000 |  | 2.0 |",
        f"| {third.name} | 0.8500 (0.8000 to 0.9000) | 0.1500 | 2.0 |",
    ]
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- steps -->\nold\n<!-- end -->\nbelow\n")
    fill(page, {"steps": table})
    assert page.read_text() == f"above\n<!-- steps -->\n{table}<!-- end -->\nbelow\n"


def test_a_changed_preset_is_measured_again(log) -> None:
    keys = [task.key for task in ablation.tasks(log, split(log, "random", 0))]
    assert len(set(keys)) == len(keys)
    fm = Fitted("fm", preset("quick", "fm"))
    assert fm.describe() != dataclasses.replace(fm, settings=preset("best", "fm")).describe()
    assert fm.describe() != dataclasses.replace(fm, features=False).describe()
