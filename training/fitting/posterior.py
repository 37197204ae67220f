"""From posterior samples to one network.

An average of S factorizations is one factorization: concatenate their vectors, each scaled by 1 / sqrt(S). The long
vectors are then cut to the directions that matter.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..config import Settings
from ..dataset import Dataset, SideData
from ..errors import SettingsError
from ..models import DeepFM, Side, TwoEncoder, layers
from ..progress import counted
from . import gibbs
from .curves import Curves, DivergedError, OnEpoch
from .fit import Fit
from .gibbs import Sample
from .observation import Numbers, Scale
from .unknown import settle_features

WORKING_WIDTH = 256  # columns that are kept between samples, at least
SAMPLED_COLUMNS = 512  # beside them, until the next cut
SCALE_ROWS = 50_000  # training rows that the scale of raw scores is taken from


class Average:
    """The running sum of factorizations, kept as factors that are cut to ``width`` columns or a few hundred more.

    A cut changes the scores of the ``users`` and ``movies`` (rows with ratings) least.
    """

    def __init__(self, width: int, users: np.ndarray, movies: np.ndarray) -> None:
        self.width, self.rated = width, (users, movies)
        self.working_width = max(width, WORKING_WIDTH)
        self.count = 0
        self.left: list[np.ndarray] = []  # [users + user feature rows, columns]
        self.right: list[np.ndarray] = []  # [movies + movie feature rows, columns]
        self.biases = [0.0, 0.0]

    def add(self, sample: Sample) -> None:
        """Add one factorization."""
        left = np.concatenate([sample.users, sample.user_features])
        right = np.concatenate([sample.movies, sample.movie_features])
        self.left.append(left[:, :-1])
        self.right.append(right[:, :-1])
        self.biases = [self.biases[0] + left[:, -1], self.biases[1] + right[:, -1]]
        self.count += 1
        if sum(part.shape[1] for part in self.left) > self.working_width + SAMPLED_COLUMNS:
            self._cut(self.working_width)

    def embeddings(self) -> tuple[np.ndarray, np.ndarray]:
        """The average, cut to ``width``: [users + user feature rows, width + 1], the same for movies."""
        self._cut(self.width)
        scale = np.sqrt(self.count)
        return tuple(
            np.column_stack([vectors[0] / scale, biases / self.count])
            for vectors, biases in ((self.left, self.biases[0]), (self.right, self.biases[1]))
        )

    def _cut(self, width: int) -> None:
        left, right = np.concatenate(self.left, axis=1), np.concatenate(self.right, axis=1)
        users, movies = self.rated
        to_left, to_right = balanced(left[users], right[movies], width)
        self.left, self.right = [left @ to_left], [right @ to_right]


def balanced(left: np.ndarray, right: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Projections P, Q [D, width] such that ``(left P) (right Q)^T`` is the best approximation of ``left right^T``.

    It is the truncated singular value decomposition of the product (Eckart and Young, 1936), found without forming
    it, from the two Gram matrices; as projections it also applies to rows that were not part of it.
    """
    left_root, right_root = _root(left), _root(right)
    first, singular, second = np.linalg.svd(left_root.T @ right_root)
    keep = min(width, int((singular > 1e-9 * singular[0]).sum()))
    scale = 1 / np.sqrt(singular[:keep])
    to_left, to_right = right_root @ second[:keep].T * scale, left_root @ first[:, :keep] * scale
    padding = ((0, 0), (0, width - keep))
    return np.pad(to_left, padding), np.pad(to_right, padding)


def _root(rows: np.ndarray) -> np.ndarray:
    """R [D, D] with ``R R^T = rows^T rows``."""
    values, vectors = np.linalg.eigh(rows.T @ rows)
    return vectors * np.sqrt(np.clip(values, 0, None))


@torch.no_grad()
def fit(
    network: TwoEncoder,
    dataset: Dataset,
    train: np.ndarray,
    validation: np.ndarray | None,
    settings: Settings,
    seed: int,
    on_epoch: OnEpoch,
) -> Fit:
    """Set the network's embeddings to the average of posterior samples given the rows ``train``.

    There is nothing to stop early. The losses are squared errors: of each sample on what the training rows' scores
    explain (centred ratings, or noisy scores drawn between the cut points), and of the average so far on the
    ``validation`` rows. Raises DivergedError for a loss that is not finite, SettingsError for a network or a target
    that cannot be fitted so.
    """
    if isinstance(network, DeepFM) or settings.target != "rating":
        raise SettingsError("gibbs fits MF and FM to ratings: use --method adam for DeepFM, or for --target like")
    sampler = gibbs.Sampler(dataset, train, settings, seed, network.uses_features)
    average, curves = Average(settings.width, sampler.users.rated, sampler.movies.rated), Curves()
    some = np.random.default_rng(seed).permutation(train)[:SCALE_ROWS]
    seen = _Predictions(dataset, some, sampler.observed)
    held_out = None if validation is None else _Predictions(dataset, validation, sampler.observed)
    for count, sample in enumerate(counted(sampler, "Gibbs sampling", 2 * settings.sweeps, "sample"), 1):
        average.add(sample)
        seen.add(sample)
        curves.train.append(float(sampler.observed.error))
        if not np.isfinite(curves.train[-1]):
            raise DivergedError(f"the loss is {curves.train[-1]} in sample {count}: look for extreme ratings")
        if held_out is not None:
            held_out.add(sample)
            curves.validation.append(held_out.error())
        on_epoch(count, curves.train[-1], curves.validation[-1] if curves.validation else None)
    slope, shift, link = seen.scale()
    users, movies = average.embeddings()
    for side, data, table, rated in (
        (network.users, dataset.users, users, dataset.user_rows[train]),
        (network.items, dataset.movies, movies, dataset.movie_rows[train]),
    ):
        table[:, :-1] *= math.sqrt(slope)
        table[:, -1] *= slope
        _write_side(side, data, torch.from_numpy(table).float(), network.uses_features, rated)
    network.mean.fill_(shift)
    return Fit(network, curves, link)


class _Predictions:
    """What the average of samples predicts for some rows."""

    def __init__(self, dataset: Dataset, index: np.ndarray, observed: Numbers) -> None:
        self.users, self.movies, self.ratings = (
            values[index] for values in (dataset.user_rows, dataset.movie_rows, dataset.ratings)
        )
        self.observed = observed
        self.count, self.total, self.squares = 0, 0.0, 0.0

    def add(self, sample: Sample) -> None:
        """Add one factorization."""
        scores = gibbs.pair_scores(sample.users, sample.movies, self.users, self.movies).astype(np.float64)
        self.count += 1
        self.total = self.total + scores
        self.squares = self.squares + np.square(scores)

    def scale(self) -> Scale:
        """What the average of the samples' scores means.

        Their variance from sample to sample is that of the rows themselves. Rows that it has not seen vary more, but a
        spread made from those has a higher negative log likelihood on held-out ratings (1.2218 against 1.2201: FM
        on MovieLens 100K).
        """
        mean = self.total / self.count
        return self.observed.scale(mean, float((self.squares / self.count - np.square(mean)).mean()))

    def error(self) -> float:
        """Mean squared error of what the average predicts."""
        slope, shift, link = self.scale()
        raw = torch.from_numpy(slope * self.total / self.count + shift)
        return float(np.square(link.inverse_link(raw).numpy() - self.ratings).mean())


def _write_side(side: Side, data: SideData, table: torch.Tensor, uses_features: bool, rated: np.ndarray) -> None:
    """Split what the samples say of an entity into what its features explain and its own part.

    The network adds the pairs within a side to the bias; the samples' bias has them in it, so they are taken out.
    ``rated`` [n]: the entities of the training rows.
    """
    table = table.to(side.own.weight.device)
    total, coefficients = table[: len(data.vocabulary)], table[len(data.vocabulary) :]
    if not uses_features:
        side.own.weight.copy_(total)
        return
    side.features.weight.copy_(coefficients)
    settle_features(side, data, rated)
    features, weights = (torch.from_numpy(values).to(table.device) for values in (data.features, data.weights))
    explained = layers.mix(features, weights, side.features.weight)
    side.own.weight.copy_(total - explained)
    _, scalar = side.fm_half(side.own.weight, features, weights)
    side.own.weight[:, -1] += total[:, -1] - scalar
