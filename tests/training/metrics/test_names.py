"""The metrics are declared once: whoever names one elsewhere means one of these."""

from __future__ import annotations

import json

import pytest

from serving.gate import HIGHER_IS_BETTER, LOWER_IS_BETTER
from training.metrics.names import HEADLINES, Metric


def test_a_typo_is_an_error() -> None:
    assert Metric("rmse") is Metric.RMSE
    with pytest.raises(ValueError, match="rsme"):
        Metric("rsme")


def test_a_metric_is_its_name_in_json() -> None:
    assert json.loads(json.dumps({Metric.NDCG: 1})) == {"ndcg@10": 1}
    assert Metric.NDCG.about == "lists"


@pytest.mark.parametrize(("names", "better"), [(LOWER_IS_BETTER, "lower"), (HIGHER_IS_BETTER, "higher")])
def test_the_gate_of_a_rollout_knows_which_way_is_better(names: set[str], better: str) -> None:
    assert {Metric(name).better for name in names} == {better}


def test_every_headline_says_which_way_is_better() -> None:
    assert all(metric.better for metric in HEADLINES)
