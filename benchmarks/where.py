"""What conditions cost: a narrowed list of a million items beside one of all, one thread, in CPU time.

    python -m benchmarks.where [--items 1000000] [--rounds 21]

An item has a category, a price, a flag and two of ten tags, at random. A mask is found once and then kept
(``model/catalogue.py``); it is measured both ways. Random vectors: no step looks at what they are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import torch

from handlers.recommender.model.attributes import AnyOf, Categories, Flags, Numbers, Range, Tags, Where
from handlers.recommender.model.catalogue import Catalogue
from handlers.recommender.model.list_ranker import ListRanker
from handlers.recommender.model.lists import ListMaker
from handlers.recommender.model.query import Selection
from handlers.recommender.model.titles import Titles
from handlers.recommender.model.vocabulary import Vocabulary
from training.attributes import tags_by_row
from training.catalogue import title_arrays
from training.export import by_column

WIDTH = 64
SEEN = 100  # items of the user
CATEGORIES, TAGS = 50, 10
WHERES: dict[str, Where] = {
    "nothing": (),
    "a category of 50": (("category", AnyOf(("c07",))),),
    "a price": (("price", Range(10, 500)),),
    "a flag": (("in_stock", AnyOf((True,))),),
    "a tag of 10": (("labels", AnyOf(("t3",))),),
    "a category, a price and a flag": (
        ("category", AnyOf(("c07", "c11", "c30"))),
        ("in_stock", AnyOf((True,))),
        ("price", Range(10, 500)),
    ),
}


def catalogue_of(items: int, rng: np.random.Generator) -> Catalogue:
    """Random items."""
    rows = items + 1
    tags = pd.Series([f"t{one}|t{other}" for one in range(TAGS) for other in range(one)], dtype="str")
    places = rng.integers(0, len(tags), rows)
    names, arrays = tags_by_row(tags, places)
    movies = Vocabulary(np.arange(1, rows))
    return Catalogue(
        Titles(*title_arrays(None, movies)),
        np.ones(rows, np.int64),
        np.zeros((rows, 2), np.float32),
        {
            "category": Categories(
                rng.integers(0, CATEGORIES + 1, rows, np.int32), Vocabulary([f"c{one:02}" for one in range(CATEGORIES)])
            ),
            "price": Numbers(rng.uniform(5, 1000, rows)),
            "in_stock": Flags(rng.integers(0, 2, rows, np.int8)),
            "labels": Tags(
                Vocabulary(names), arrays["codes"], arrays["offsets"], arrays["rows"], arrays["row_offsets"]
            ),
        },
        usual=False,
    )


@torch.no_grad()
def measure(items: int, rounds: int) -> dict[str, dict[str, float]]:
    """CPU milliseconds of one list, for each set of conditions: with the mask kept, and with the mask found anew."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    catalogue = catalogue_of(items, rng)
    nothing = torch.zeros(1, WIDTH)
    table = torch.from_numpy(by_column(rng.standard_normal((items + 1, WIDTH), np.float32)))
    ranker = ListRanker(nothing, table, nothing, nothing, (1.0, 0.0))
    maker = ListMaker(catalogue.counts, None, torch.device("cpu"))
    user = torch.from_numpy(rng.standard_normal((1, WIDTH), np.float32))
    seen = rng.integers(1, items, SEEN)

    def listed(where: Where) -> None:
        selection = Selection(10, where=where)
        maker.make(ranker.score_all(user), [catalogue.excluded(selection, seen)], [selection])

    def anew(where: Where) -> None:
        catalogue.masks.cache_clear()
        listed(where)

    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds + 1):
        for name, where in WHERES.items():
            for way, call in (("found anew", anew), ("kept", listed)):
                times.setdefault((name, way), []).append(_seconds(call, where))
    found: dict[str, dict[str, float]] = {name: {} for name in WHERES}
    for (name, way), seconds in times.items():
        found[name][way] = 1000 * median(seconds[1:])  # the first warms up
    return found


def _seconds(call: Callable[[Where], None], where: Where) -> float:
    started = time.process_time()
    call(where)
    return time.process_time() - started


def main() -> None:
    """Print a line for each set of conditions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=21)
    asked = parser.parse_args()
    found = measure(asked.items, asked.rounds)
    plain = found["nothing"]["kept"]
    for name, ways in found.items():
        said = ", ".join(f"{way} {value:.1f} ms ({value / plain:.2f})" for way, value in ways.items())
        print(f"{name}: {said}")


if __name__ == "__main__":
    main()
