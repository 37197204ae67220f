"""The small tables of the report."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handlers.recommender.model.link import Logistic, Regression
from training.config import Settings
from training.evaluate import Predictions
from training.report.details import by_count


def test_the_error_by_count_is_that_of_each_bin() -> None:
    rng = np.random.default_rng(0)
    counts = rng.permutation(np.repeat([0, 1, 5, 40], [10, 200, 200, 200]))
    ratings = rng.uniform(1, 5, len(counts)).astype(np.float32)
    off = np.select([counts == 0, counts == 1, counts == 5], [1.0, 0.5, 0.25], 0.125)
    raw = torch.from_numpy((ratings + off * rng.choice([-1, 1], len(off))).astype(np.float32))
    zeros = np.zeros(len(counts), np.int64)
    predictions = Predictions(zeros, zeros, raw, Regression(-9, 9, 1.0), zeros.astype(np.float32), ratings)
    bins = by_count(predictions, counts, Settings())
    assert [(each["from"], each["to"], each["rows"]) for each in bins] == [
        (0, 0, 10),
        (1, 1, 200),
        (5, 5, 200),
        (40, 40, 200),
    ]
    assert [each["error"] for each in bins] == pytest.approx([1, 0.5, 0.25, 0.125], rel=1e-5)
    one_class = predictions._replace(link=Logistic(3), raw=torch.zeros(len(counts)))
    assert by_count(one_class, counts, Settings(target="like"))[0]["error"] == pytest.approx(np.log(2))
