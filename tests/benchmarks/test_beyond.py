"""The benchmark of diversity and damping: its variants are requests, and its numbers those of their lists."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import beyond
from handlers.recommender.api.requests import FIELDS
from handlers.recommender.model.lists import ListMaker
from training.data import generate
from training.estimators import MF
from training.interactions import encode


def test_variants_are_fields_of_a_request() -> None:
    assert {field for fields in beyond.VARIANTS.values() for field in fields} < FIELDS["recommend"]
    assert beyond.VARIANTS["popularity damping 0.2"] == {"popularity_damping": 0.2}


def test_damped_lists_are_newer_and_diverse_lists_more_diverse() -> None:
    everything = encode(generate(seed=0, users=120, movies=150, ratings=5000).log, False)
    train, test = everything.take(np.arange(0, 5000, 2)), everything.take(np.arange(1, 5000, 2))
    mf = MF(sweeps=4, burn_in=2, list_factors=(16,), list_ridges=(300.0,)).fit(train)
    counts = np.bincount(train.movie_rows, minlength=train.shape[1])
    maker = ListMaker(counts, mf.ranker.item_similarity, torch.device("cpu"))
    plain, diverse, damped = (
        beyond.quality(maker, fields, mf, test) for fields in ({}, {"diversity": 0.5}, {"popularity_damping": 0.5})
    )
    assert float(diverse["diversity@10"]) > float(plain["diversity@10"])
    assert float(damped["novelty@10"]) > float(plain["novelty@10"])
    assert float(damped["popularity@10"]) < float(plain["popularity@10"])
