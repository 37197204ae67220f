"""The shop: the planted segments are in its purchases, and a model finds them."""

from __future__ import annotations

import pandas as pd

from examples import shop
from tests.examples.conftest import Example


def test_segments_buy_their_categories_more_often() -> None:
    made = shop.generate()
    bought = made.purchases.merge(made.customers).merge(made.products)
    shares = pd.crosstab(bought["category"], bought["segment"], normalize="columns")
    for segment, liked in shop.SEGMENTS.items():
        others = shares.drop(columns=segment).mean(axis=1)
        assert (shares.loc[list(liked), segment] > 2 * others[list(liked)]).all()


def test_the_same_seed_draws_the_same_shop() -> None:
    first, second = shop.generate(seed=3), shop.generate(seed=3)
    assert first.purchases.equals(second.purchases)
    assert first.products.equals(second.products)
    assert not first.purchases.equals(shop.generate(seed=4).purchases)


def test_lists_find_the_categories_of_a_segment(of_shop: Example) -> None:
    """Of customers and of somebody new: what is popular has about a quarter of them, and a list nearly all."""
    made = shop.generate()
    best_sellers = made.purchases["sku"].value_counts().index[:10]
    category = made.products.set_index("sku")["category"]
    for segment, liked in shop.SEGMENTS.items():
        customers = made.customers.query("segment == @segment")["customer"].head(50)
        known = of_shop.shares([{"user_id": user} for user in customers], "category", [set(liked)] * len(customers))
        new = of_shop.shares([{"user": {"segment": segment}}], "category", [set(liked)])
        popular = category[best_sellers].isin(liked).mean()
        assert min(known, new) > max(0.65, popular + 0.25)


def test_a_list_has_only_what_it_is_narrowed_to(of_shop: Example) -> None:
    where = {"category": ["bikes", "tools"], "price": {"max": 400}, "in_stock": True}
    entries = of_shop.ask({"user_id": "ann0000@example.com", "k": 30, "where": where})["recommendations"]
    assert len(entries) == 30
    for entry in entries:
        shown = entry["attributes"]
        assert shown["category"] in ("bikes", "tools")
        assert shown["price"] <= 400
        assert shown["in_stock"] is True
