"""Likes with weights in the list ranker, and what side features are worth in its lists, on planted shops."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from handlers.recommender.model.topk import top
from training.config import preset
from training.data import split
from training.data.shop import generate
from training.estimators import FM
from training.interactions import Interactions, encode
from training.metrics.ranking import Order, measure
from training.rankers import ease, weighted

SETTINGS = dataclasses.replace(
    preset("quick", "fm", "like"), list_ridges=(300.0,), list_dampings=(0.0,), list_factors=(32,),
    list_strengths=(1.0,), list_weight_powers=(1.0,),
)  # fmt: skip


@pytest.fixture(scope="module")
def likes() -> Interactions:
    return encode(generate(customers=200, products=40, purchases=4_000, taste=1.0).log, True)


def test_what_a_like_weighs_counts_in_a_history(likes: Interactions) -> None:
    """Written out: the sum of the movies' inputs, each times its weight beside the mean, and what holds for all."""
    histories = weighted.histories(likes, SETTINGS)
    ranker = ease.fit(histories, SETTINGS)
    user = int(likes.user_rows[0])
    of_user = likes.user_rows == user
    weights = likes.weights / likes.weights.mean()
    vector = weights[of_user] @ ranker.inputs.numpy()[likes.movie_rows[of_user]]
    known = ranker.cold_start[0] + ranker.cold_start[1 + int(likes.users.features[user, 0])]
    vector += known.numpy() / (1 + of_user.sum())
    found = ease.order(ranker, histories)(np.array([user]))[0]
    assert found.numpy() == pytest.approx(ranker.items.numpy() @ vector, rel=1e-4, abs=1e-5)


def test_weights_that_are_all_the_same_change_nothing(likes: Interactions) -> None:
    same = dataclasses.replace(likes, weights=np.full(len(likes), 7, np.float32))
    rankers = [
        ease.fit(weighted.histories(each, SETTINGS), SETTINGS)
        for each in (same, dataclasses.replace(likes, weights=None))
    ]
    rows = np.unique(likes.user_rows)[:50]
    orders = [ease.order(ranker, each)(rows) for ranker, each in zip(rankers, (same, likes), strict=True)]
    torch.testing.assert_close(*orders, rtol=1e-4, atol=1e-4)


def test_a_power_of_zero_is_a_log_without_weights(likes: Interactions) -> None:
    assert weighted.histories(likes, dataclasses.replace(SETTINGS, list_weight_powers=(0.0,))) is likes


@pytest.mark.parametrize("is_noise", [False, True])
def test_validation_rows_choose_whether_weights_count(is_noise: bool) -> None:
    """Weights as the tastes of customers make them, and weights that are drawn at random."""
    data = encode(generate(customers=800, products=200, purchases=40_000, taste=1.0).log, True)
    if is_noise:
        data = dataclasses.replace(data, weights=np.random.default_rng(0).lognormal(0, 2, len(data)).astype(np.float32))
    order = np.random.default_rng(1).permutation(len(data))
    train, validation = data.take(np.sort(order[2_000:])), data.take(np.sort(order[:2_000]))
    settings = dataclasses.replace(SETTINGS, list_weight_powers=(0.0, 1.0), list_ridges=(300.0, 1000.0))
    chosen, lists = weighted.choose(train, validation, settings)
    assert chosen.list_weight_powers == ((0.0,) if is_noise else (1.0,))
    assert lists["ndcg@10"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_lists_find_what_side_features_are_worth(seed: int) -> None:
    """Of what the planted rule gains over popularity in NDCG@10: of known customers and of new ones."""
    shop = generate(seed)
    data = encode(shop.log, True)
    is_new = np.isin(data.user_rows, np.random.default_rng(1).choice(np.arange(1, data.shape[0]), 300, replace=False))
    part = np.zeros(len(data), int)
    parts = split(shop.log, "random", seed=0)
    part[parts.validation], part[parts.test], part[is_new] = 1, 2, 3
    train, validation, test = (data.take(np.flatnonzero(part == number)) for number in range(3))
    both = data.take(np.flatnonzero(part < 2))
    found = FM(target="like", als_sweeps=1).choose_list_ranker(train, validation)[0].fit(both)

    counts = torch.from_numpy(np.bincount(both.movie_rows, minlength=both.shape[1])).float()
    customers, products = (
        np.array([-1, *(int(one.partition("-")[2]) - 1 for one in side.vocabulary.ids[1:])])
        for side in (data.users, data.movies)
    )

    def rule(users: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(shop.rule(customers[users])[:, products] * (products >= 0))

    def of_known(order: Order) -> float:
        return measure(order, both, test)["ndcg@10"]

    def of_new(order: Order) -> float:
        """What the lists hold of all that new customers will buy, discounted as by DCG@10; the mean of segments.

        The purchases of 300 new customers would leave the gain uncertain by more than 5 %.
        """
        users = np.unique(data.user_rows[is_new])
        users = users[np.unique(shop.segment[customers[users]], return_index=True)[1]]
        shares = rule(users) / rule(users).sum(1, keepdim=True)
        lists = top(order(users).clone(), [np.zeros(1, np.int64)] * len(users), [10] * len(users))
        bought = shares.gather(1, torch.from_numpy(np.stack(lists)))
        return float((bought / torch.arange(2, 12).log2()).sum(1).mean())

    def gain(worth: Callable[[Order], float]) -> float:
        popular = worth(lambda users: counts.expand(len(users), -1).clone())
        return (worth(found.order) - popular) / (worth(rule) - popular)

    assert found.settings.list_strengths[0] > 1  # histories are short, so that segments say more than with 1
    assert gain(of_known) > 0.9
    assert gain(of_new) > 0.9
