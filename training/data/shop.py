"""A seeded log of a shop whose right answers are known: segments of customers prefer categories, and repeats count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from training.data.choices import choices
from training.data.log import RatingsLog

SEGMENTS = ("families", "gardeners", "makers", "offices", "riders", "students")
CATEGORIES = ("bikes", "books", "garden", "kitchen", "lamps", "paint", "paper", "tools", "toys", "travel")

_FIRST_SECOND, _DAYS, _DAY = 1_700_000_000, 365, 86_400


@dataclass(frozen=True, eq=False)
class Shop:
    """A log of purchases and what it was drawn from; positions are those of `log.users` and `log.movies`.

    A customer's next purchase is a product with a probability proportional to `popularity` [products] times the
    customer's `preference` [customers, categories] for its `category` (int [products]). The preference is that of the
    customer's segment, `of_segment` [segments, categories], times what is the customer's own.
    """

    log: RatingsLog
    segment: np.ndarray
    category: np.ndarray
    popularity: np.ndarray
    of_segment: np.ndarray
    preference: np.ndarray

    def rates(self, customers: np.ndarray) -> np.ndarray:
        """What the purchases of customers [B] are proportional to: float64 [B, products]."""
        return self.preference[customers][:, self.category] * self.popularity

    def rule(self, customers: np.ndarray) -> np.ndarray:
        """The same from the customers' segments alone, as of somebody new: float64 [B, products]."""
        return self.of_segment[self.segment[customers]][:, self.category] * self.popularity


def generate(
    seed: int = 0,
    *,
    customers: int = 3_000,
    products: int = 400,
    purchases: int = 30_000,
    strength: float = 1.0,
    taste: float = 0.0,
) -> Shop:
    """A shop of so many purchases; of those of one pair the log has one row, with their number as its `weight`.

    `strength`, `taste`: standard deviations of the logarithm of what segments prefer, and of what is a customer's own.
    Customers and products are texts, "c-1" and "sku-1".
    """
    rng = np.random.default_rng(seed)
    segment = rng.integers(0, len(SEGMENTS), customers)
    category = rng.integers(0, len(CATEGORIES), products)
    popularity = rng.lognormal(0, 1.0, products)
    of_segment = rng.lognormal(0, strength, (len(SEGMENTS), len(CATEGORIES)))
    preference = of_segment[segment] * rng.lognormal(0, taste, (customers, len(CATEGORIES)))
    activity = rng.lognormal(0, 0.6, customers)
    who = rng.choice(customers, purchases, p=activity / activity.sum())
    what = choices(rng, preference[who], category, popularity)
    when = _FIRST_SECOND + rng.integers(0, _DAYS * _DAY, purchases)
    counted = pd.DataFrame({"user": who, "movie": what, "when": when}).groupby(["user", "movie"], sort=False)["when"]
    pairs = counted.agg(["size", "max"]).reset_index()
    users = pd.DataFrame({"user_id": _ids("c", customers), "segment": _names(SEGMENTS, segment)})
    movies = pd.DataFrame(
        {
            "movie_id": _ids("sku", products),
            "title": _names(CATEGORIES, category) + " " + (1 + pd.Series(range(products))).astype("str"),
            "year": pd.Series(pd.NA, index=range(products), dtype="Int64"),
            "genres": pd.Series("", index=range(products), dtype="str"),
            "category": _names(CATEGORIES, category),
        }
    )
    ratings = pd.DataFrame(
        {
            "user_id": users["user_id"].array[pairs["user"]],
            "movie_id": movies["movie_id"].array[pairs["movie"]],
            "timestamp": pairs["max"],
            "weight": pairs["size"].astype("float32"),
        }
    )
    log = RatingsLog("shop", ratings, users, movies, user_features=("segment",), movie_features=("category",))
    return Shop(log, segment, category, popularity, of_segment, preference)


def _ids(letter: str, count: int) -> pd.Series:
    return pd.Series([f"{letter}-{1 + number}" for number in range(count)], dtype="str")


def _names(names: tuple[str, ...], positions: np.ndarray) -> pd.Series:
    return pd.Series(np.array(names)[positions], dtype="str")
