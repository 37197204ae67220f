"""What ``torchrun`` starts in a test: fits, whose scores the first process writes into the folder that it is given.

The others write how many ratings they have got for each fit.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from tests.training.fits import fitted, quick, raw_scores
from training import calls, distributed
from training.data import generate
from training.samplers import gibbs
from training.samplers.shares import Ratings

FITS = [(model, ratings_as) for model in ("mf", "fm") for ratings_as in ("numbers", "levels")]
COUNT = 900


def scores() -> list[np.ndarray]:
    """For each of FITS, the raw scores of the rows of a small log."""
    log = generate(seed=0, users=60, movies=50, ratings=COUNT).log
    rows, found = np.arange(len(log)), []
    for model, ratings_as in FITS:
        estimator = fitted(model, log, quick(model, ratings_as=ratings_as, burn_in=2, sweeps=4), rows)
        found.append(raw_scores(estimator, log, rows))
    return found


if __name__ == "__main__":
    folder, dealt, counts = Path(sys.argv[1]), gibbs.dealt, []

    def counted(*arguments) -> Ratings:
        ratings = dealt(*arguments)
        counts.append(len(ratings.users))
        return ratings

    gibbs.dealt = counted
    with distributed.processes(torch.device("cpu")):
        calls.led(lambda: np.save(folder / "scores.npy", scores()))
        if not distributed.is_first():
            np.save(folder / "counts.npy", counts)
