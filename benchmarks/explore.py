"""What exploration costs: a list of a million items with ``explore`` beside one without, one thread, in CPU time.

    python -m benchmarks.explore [--items 1000000] [--rounds 21]

How often an item was rated has a long tail: a quarter of the items have no rating. Random vectors.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np
import torch

from handlers.recommender.model.exploration import Exploration
from handlers.recommender.model.lists import ListMaker
from handlers.recommender.model.query import Selection
from training.export import by_column

WIDTH = 64
PLAIN, EXPLORED = Selection(10), Selection(10, explore=0.5)  # so that nearly each of these lists has such a place


@torch.no_grad()
def measure(items: int, rounds: int) -> dict[str, tuple[float, float]]:
    """CPU milliseconds of a list for a user, and of one for nobody in particular: without exploration, and with it."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    counts = (3 * rng.pareto(1.0, items + 1)).astype(np.int64)
    table = torch.from_numpy(by_column(rng.standard_normal((items + 1, WIDTH), np.float32)))
    user = torch.from_numpy(rng.standard_normal((1, WIDTH), np.float32))
    maker = Exploration(ListMaker(counts, None, torch.device("cpu")), counts)
    orders = {
        "for a user": lambda: user @ table.t(),
        "for nobody": lambda: torch.from_numpy(counts.astype(np.float64))[None],
    }
    found = {}
    for name, order in orders.items():
        times: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(rounds + 1):
            for explores, selection in ((False, PLAIN), (True, EXPLORED)):
                started = time.process_time()
                maker.make(order(), [np.zeros(1, np.int64)], [selection], [0])
                times[explores].append(time.process_time() - started)
        found[name] = tuple(1000 * median(seconds[1:]) for seconds in times.values())  # the first warms up
    return found


def main() -> None:
    """Print a line for each list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=21)
    asked = parser.parse_args()
    for name, (plain, explored) in measure(asked.items, asked.rounds).items():
        print(f"{name}: {plain:.1f} ms, with explore {explored:.1f} ms ({explored / plain:.2f})")


if __name__ == "__main__":
    main()
