"""What every library is run with. A peer's settings are those of its own documentation or examples where it has some;
what is tuned is tuned on validation rows, over the grids here."""

from __future__ import annotations

from itertools import product
from typing import Any

Settings = dict[str, Any]


def grid(**choices: tuple) -> list[Settings]:
    """Every combination."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def choice(best: int, grid: list[Settings]) -> Settings:
    """What a record says of a tuned contestant; ``edge``: what was chosen at an end of what was tried.

    There a wider grid might do better.
    """
    tried = {name: {settings[name] for settings in grid} for name in grid[best]}
    ends = {name: (min(values), max(values)) for name, values in tried.items() if len(values) > 1}
    edge = [name for name, both in ends.items() if grid[best][name] in both]
    return {"chosen": grid[best], "trials": len(grid), "edge": edge}


BIAS_ONLY = {"algorithm": "BaselineOnly"}
SVD_80 = {"algorithm": "SVD", "n_factors": 80, "reg_all": 0.05, "n_epochs": 100}
SVD_GRID = grid(
    algorithm=("SVD",), n_factors=(20, 80), reg_all=(0.08, 0.1, 0.12, 0.15), lr_all=(0.005, 0.01), n_epochs=(50, 100)
)

# Ratings, by data set: name to (library, settings). myFM's ranks and sweeps are those of its MovieLens examples.
# What is a list of settings is tuned: the best by RMSE on a tenth of the training rows.
RATINGS: dict[str, dict[str, tuple[str, Settings | list[Settings]]]] = {
    "ml-100k": {
        "Surprise, bias only": ("surprise", BIAS_ONLY),
        "Surprise, SVD as it comes": ("surprise", {"algorithm": "SVD"}),
        "Surprise, SVD, 80 factors": ("surprise", SVD_80),
        "Surprise, SVD, tuned": ("surprise", SVD_GRID),
        "myFM, ids": ("myfm", {"rank": 10, "sweeps": 512, "blocks": "ids"}),
        "myFM, ids and histories": ("myfm", {"rank": 10, "sweeps": 512, "blocks": "histories"}),
        "myFM, and side features": ("myfm", {"rank": 10, "sweeps": 512, "blocks": "features"}),
        "myFM, and ordinal": ("myfm", {"rank": 10, "sweeps": 512, "blocks": "features", "ordinal": True}),
    },
    "ml-1m": {
        "Surprise, bias only": ("surprise", BIAS_ONLY),
        "Surprise, SVD, 80 factors": ("surprise", SVD_80),
        "myFM, ids": ("myfm", {"rank": 32, "sweeps": 256, "blocks": "ids"}),
        "myFM, ids and histories": ("myfm", {"rank": 32, "sweeps": 256, "blocks": "histories"}),
        "myFM, and ordinal": ("myfm", {"rank": 32, "sweeps": 256, "blocks": "features", "ordinal": True}),
    },
}

# Lists, by data set: name to the settings that are tried. Ours has the grid of its presets, which is smaller.
RANKING: dict[str, dict[str, list[Settings]]] = {
    "ml-100k": {
        "implicit, ALS": grid(
            factors=(16, 32, 64, 128, 256, 512),
            regularization=(10.0, 30.0, 100.0),
            alpha=(1.0, 2.0, 4.0, 8.0, 16.0),
            iterations=(15,),
        ),
        "implicit, BPR": grid(
            factors=(16, 32, 64, 128, 256),
            learning_rate=(0.001, 0.003, 0.01),
            regularization=(0.0001, 0.001, 0.01, 0.1),
            iterations=(100,),
        ),
    },
    "ml-1m": {
        "implicit, ALS": grid(
            factors=(64, 128, 256), regularization=(30.0, 100.0, 300.0), alpha=(4.0,), iterations=(15,)
        ),
        "implicit, BPR": grid(
            factors=(64, 128, 256), learning_rate=(0.003, 0.01, 0.03), regularization=(0.001,), iterations=(100,)
        ),
    },
    "gowalla": {
        "implicit, ALS": grid(
            factors=(256, 512), regularization=(10.0, 30.0), alpha=(4.0, 16.0, 64.0), iterations=(15,)
        ),
        "implicit, BPR": grid(
            factors=(256,), learning_rate=(0.01, 0.03), regularization=(0.001, 0.01), iterations=(100,)
        ),
    },
}

# Similar movies: the item-kNN's cosine is shrunk by so many ratings.
SIMILAR: list[Settings] = grid(
    shrinkage=(0.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0), rows=("likes", "all ratings")
)

# Seconds to a given RMSE on u1: the sweeps that each is run with.
SWEEPS = {"myFM, ids and histories": (64, 128, 256, 512), "ours: `fm --preset quick`": (10, 20, 40, 100)}
