"""What ``torchrun`` starts in a test: fits, whose scores every process writes into the folder that it is given."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from tests.training.fits import fitted, quick, raw_scores
from training import distributed
from training.data import generate

FITS = [(model, ratings_as) for model in ("mf", "fm") for ratings_as in ("numbers", "levels")]


def scores() -> list[np.ndarray]:
    """For each of FITS, the raw scores of the rows of a small log."""
    log = generate(seed=0, users=60, movies=50, ratings=900).log
    rows, found = np.arange(len(log)), []
    for model, ratings_as in FITS:
        estimator = fitted(model, log, quick(model, ratings_as=ratings_as, burn_in=2, sweeps=4), rows)
        found.append(raw_scores(estimator, log, rows))
    return found


if __name__ == "__main__":
    with distributed.processes(torch.device("cpu")):
        np.save(Path(sys.argv[1]) / f"{distributed.rank()}-of-{distributed.size()}.npy", scores())
