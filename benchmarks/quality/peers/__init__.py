"""The libraries that ours is measured against, each called as its documentation calls it, on one thread."""

from collections.abc import Callable

import numpy as np

from training.dataset import Dataset

Predict = Callable[[Dataset], np.ndarray]  # rows [n] to their predicted ratings, not clipped: float [n]
