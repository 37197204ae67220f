"""``python -m examples.shop``: the purchases of a shop, whose segments of customers prefer some of its categories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.data.choices import choices

from . import planted

# The typical price of a category, and what its products are called.
CATEGORIES = {
    "bikes": (600, "City Trail Folding Road Cargo", "Bike Tandem Tricycle"),
    "books": (15, "Short Illustrated Complete Pocket", "Atlas Novel Cookbook Guide Diary"),
    "coffee": (9, "Dark Mild Organic Ground Whole-Bean", "Espresso Roast Blend Decaf"),
    "garden": (30, "Steel Folding Long Compact", "Spade Rake Hose Pruner Trowel"),
    "kitchen": (45, "Iron Copper Glass Steel", "Pan Kettle Grater Whisk Bowl"),
    "lamps": (60, "Brass Paper Clip-On Reading", "Lamp Lantern Spotlight Uplight"),
    "tools": (35, "Cordless Fine Heavy Angled", "Drill Saw Sander Wrench Plane"),
    "toys": (20, "Wooden Soft Singing Tiny", "Train Bear Puzzle Drum Robot"),
}
# What a segment buys five times as often as others do.
SEGMENTS = {
    "cooks": ("kitchen", "coffee"),
    "families": ("toys", "books"),
    "gardeners": ("garden", "lamps"),
    "riders": ("bikes", "tools"),
}
TIMES = 5.0
COLOURS = "Red Green Blue White Black"
FIRST_NAMES = (
    "ann ben cleo dan eva finn gul hana ian jo kim leo mia noor otto pia quinn rosa sam tess uma vic wen yara zoe"
)
LAST_SECOND, DAYS = 1_795_000_000, 90  # purchases are those of so many days before


@dataclass(frozen=True, eq=False)
class Shop:
    """The files' tables. What was planted is in them: the ``segment`` of customers, the ``category`` of products."""

    purchases: pd.DataFrame
    customers: pd.DataFrame
    products: pd.DataFrame


def generate(seed: int = 0, *, customers: int = 2_500, products: int = 400, purchases: int = 25_000) -> Shop:
    """A customer's next purchase is a product with a probability proportional to its popularity and the preference."""
    rng = np.random.default_rng(seed)
    segments, categories = np.array(list(SEGMENTS), object), np.array(list(CATEGORIES), object)
    segment, category = rng.integers(0, len(segments), customers), rng.integers(0, len(categories), products)
    preference = np.array([[TIMES if name in liked else 1.0 for name in categories] for liked in SEGMENTS.values()])
    own = rng.lognormal(0, 0.5, (customers, len(categories)))
    activity, popularity = rng.lognormal(0, 0.7, customers), rng.lognormal(0, 1.0, products)
    who = rng.choice(customers, purchases, p=activity / activity.sum())
    what = choices(rng, (preference[segment] * own)[who], category, popularity)
    when = np.sort(LAST_SECOND - rng.integers(0, DAYS * 86_400, purchases))
    names = np.array(FIRST_NAMES.split(), object)
    emails = [f"{names[number % len(names)]}{number:04d}@example.com" for number in range(customers)]
    skus = planted.numbered("sku-", products)
    titles, prices = np.empty(products, object), np.empty(products)
    for place, (price, kinds, things) in enumerate(CATEGORIES.values()):
        rows = np.flatnonzero(category == place)
        titles[rows] = planted.phrases(rng, len(rows), COLOURS, kinds, things)
        prices[rows] = np.ceil(price * rng.lognormal(0, 0.4, len(rows))) - 0.01
    return Shop(
        pd.DataFrame({"customer": np.array(emails, object)[who], "sku": skus[what], "bought_at": when}),
        pd.DataFrame({"customer": emails, "segment": segments[segment]}),
        pd.DataFrame(
            {
                "sku": skus,
                "title": titles,
                "category": categories[category],
                "price": prices.round(2),
                "in_stock": rng.random(products) < 0.9,
            }
        ),
    )


if __name__ == "__main__":
    shop = generate()
    planted.write(planted.FOLDER / "shop", purchases=shop.purchases, customers=shop.customers, products=shop.products)
