"""What every library is run with. A peer's settings are those of its own documentation or examples where it has some;
what is tuned is tuned on validation rows, over the grids and spaces here."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from optuna.distributions import FloatDistribution, IntDistribution

from training.search import Space

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
RatingPeers = dict[str, tuple[str, Settings | list[Settings]]]
RATINGS: dict[str, RatingPeers] = {
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

# Lists: every contestant has as many trials, with the settings that it starts from first, by the search of ``--tune``.
# A trial on the larger logs takes minutes.
TRIALS = {"ml-100k": 20, "ml-1m": 8, "gowalla": 6}
FACTORS = IntDistribution(16, 512, log=True)
EPOCHS = IntDistribution(10, 100, log=True)


@dataclass(frozen=True)
class Contestant:
    """A peer in the tables of lists.

    ``library``: in ``PEERS``. ``space``: what is tuned. ``first``: the first trial. ``fixed``: options of all trials.
    ``data``: the data sets that it can take in minutes and a few GB. ``seeds``: how many, at most.
    """

    library: str
    space: Space
    first: Settings
    fixed: Settings
    data: tuple[str, ...] = tuple(TRIALS)
    seeds: int = 3


RANKING: dict[str, Contestant] = {
    "implicit, ALS": Contestant(
        "implicit",
        {
            "factors": FACTORS,
            "regularization": FloatDistribution(1, 300, log=True),
            "alpha": FloatDistribution(1, 64, log=True),
        },
        {"factors": 128, "regularization": 30.0, "alpha": 4.0},
        {"algorithm": "implicit, ALS", "iterations": 15},
    ),
    "implicit, BPR": Contestant(
        "implicit",
        {
            "factors": FACTORS,
            "learning_rate": FloatDistribution(0.001, 0.05, log=True),
            "regularization": FloatDistribution(0.0001, 0.1, log=True),
        },
        {"factors": 64, "learning_rate": 0.003, "regularization": 0.001},
        {"algorithm": "implicit, BPR", "iterations": 100},
    ),
    # Gowalla's dense Gram matrix alone would be 13 GB.
    "EASE": Contestant(
        "ease", {"ridge": FloatDistribution(10, 5000, log=True)}, {"ridge": 500.0}, {}, data=("ml-100k", "ml-1m")
    ),
    "LightFM, WARP": Contestant(
        "lightfm",
        {
            "no_components": IntDistribution(16, 128, log=True),
            "learning_rate": FloatDistribution(0.01, 0.1, log=True),
            "penalty": FloatDistribution(1e-7, 1e-4, log=True),
            "epochs": EPOCHS,
        },
        {"no_components": 64, "learning_rate": 0.05, "penalty": 1e-6, "epochs": 30},
        {},
    ),
    "LightGCN": Contestant(
        "lightgcn",
        {
            "n_factors": IntDistribution(32, 128, log=True),
            "layers": IntDistribution(1, 4),
            "learning_rate": FloatDistribution(0.001, 0.05, log=True),
            "penalty": FloatDistribution(1e-6, 1e-2, log=True),
            "epochs": EPOCHS,
        },
        {"n_factors": 64, "layers": 3, "learning_rate": 0.01, "penalty": 1e-4, "epochs": 50},
        {},
        data=("ml-100k",),
        seeds=1,
    ),
}

# Similar movies: the item-kNN's cosine is shrunk by so many ratings.
SIMILAR: list[Settings] = grid(
    shrinkage=(0.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0), rows=("likes", "all ratings")
)

# Seconds to a given RMSE on u1: the sweeps that each is run with.
SWEEPS = {"myFM, ids and histories": (64, 128, 256, 512), "ours: `fm --preset quick`": (10, 20, 40, 100)}
