"""The planted shop: what customers buy follows from their segments, and repeats are counted."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.shop import CATEGORIES, SEGMENTS, Shop, generate


@pytest.fixture(scope="module")
def shop() -> Shop:
    return generate(seed=3, customers=500, products=60, purchases=20_000)


def test_the_same_seed_is_the_same_shop(shop: Shop) -> None:
    assert shop.log.sha256 == generate(seed=3, customers=500, products=60, purchases=20_000).log.sha256
    assert shop.log.sha256 != generate(seed=4, customers=500, products=60, purchases=20_000).log.sha256


def test_every_purchase_is_counted_once(shop: Shop) -> None:
    assert shop.log.ratings["weight"].sum() == 20_000
    assert len(shop.log) < 20_000


def test_segments_buy_categories_as_planted(shop: Shop) -> None:
    ratings = shop.log.ratings.merge(shop.log.users).merge(shop.log.movies[["movie_id", "category"]])
    bought = ratings.pivot_table("weight", "segment", "category", "sum").reindex(SEGMENTS, columns=CATEGORIES)
    expected = shop.of_segment * np.bincount(shop.category, shop.popularity, len(CATEGORIES))
    shares = [table / table.sum(axis=1, keepdims=True) for table in (bought.fillna(0).to_numpy(), expected)]
    assert shares[0] == pytest.approx(shares[1], abs=0.03)


def test_within_a_category_popular_products_are_bought_more(shop: Shop) -> None:
    counts = shop.log.ratings.groupby("movie_id")["weight"].sum().reindex(shop.log.movies["movie_id"]).fillna(0)
    for category in range(len(CATEGORIES)):
        of = shop.category == category
        if of.sum() > 1:
            share = shop.popularity[of] / shop.popularity[of].sum()
            assert counts.to_numpy()[of] / counts.to_numpy()[of].sum() == pytest.approx(share, abs=0.06)


def test_without_own_taste_the_rule_of_segments_is_all_there_is(shop: Shop) -> None:
    some = np.arange(0, 500, 50)
    np.testing.assert_allclose(shop.rates(some), shop.rule(some))
    own = generate(customers=500, products=60, purchases=2_000, taste=0.5)
    assert not np.allclose(own.rates(some), own.rule(some))
