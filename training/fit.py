"""Fitting a network to the ratings of a dataset: mini-batches, early stopping, and the unknown rows."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from handlers.recommender.foldin import Prior, fold_in

from .config import Settings
from .dataset import Dataset, SideData
from .models import NETWORKS, DeepFM, Side, TwoEncoder

ROW_ZERO_SAMPLE = 20_000  # ratings that the unknown user (movie) is fitted to


class DivergedError(RuntimeError):
    """The loss is not finite any more."""


@dataclass
class Curves:
    """Losses by epoch."""

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the lowest validation loss, or the last one where there is none."""
        return 1 + int(np.argmin(self.validation)) if self.validation else len(self.train)


class Batches:
    """A dataset's rows as tensors on a device, with targets and side features."""

    def __init__(self, dataset: Dataset, index: np.ndarray, settings: Settings, device: torch.device) -> None:
        self.users = torch.from_numpy(dataset.user_rows[index]).to(device)
        self.movies = torch.from_numpy(dataset.movie_rows[index]).to(device)
        self.targets = torch.from_numpy(targets_of(dataset.ratings[index], settings)).to(device)
        self.user_features = torch.from_numpy(dataset.users.features).to(device)
        self.user_weights = torch.from_numpy(dataset.users.weights).to(device)
        self.movie_features = torch.from_numpy(dataset.movies.features).to(device)
        self.movie_weights = torch.from_numpy(dataset.movies.weights).to(device)

    def __len__(self) -> int:
        return len(self.users)

    def encode(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> tuple[Tensor, Tensor]:
        """Encodings of aligned user and movie rows: [B, D] each."""
        return (
            network.encode_users(network.own_users(users), self.user_features[users], self.user_weights[users]),
            network.encode_items(network.own_items(movies), self.movie_features[movies], self.movie_weights[movies]),
        )

    def scores(self, network: TwoEncoder, users: Tensor, movies: Tensor) -> Tensor:
        """Unclipped scores of aligned rows: [B]."""
        return network.score_pairs(*self.encode(network, users, movies))


def targets_of(ratings: np.ndarray, settings: Settings) -> np.ndarray:
    """What a network is fitted to: the ratings, or 1 for a like and 0 for none. float32 [n]."""
    if settings.target == "rating":
        return ratings
    return np.where(np.isnan(ratings), 1.0, ratings > settings.like_above).astype(np.float32)


def loss_of(settings: Settings) -> Callable[[Tensor, Tensor], Tensor]:
    """Mean squared error for ratings, binary cross-entropy of logits for likes."""
    return functional.mse_loss if settings.target == "rating" else functional.binary_cross_entropy_with_logits


def build(model: str, dataset: Dataset, index: np.ndarray, settings: Settings, seed: int) -> TwoEncoder:
    """A fresh network for a dataset, centred on the mean target of the rows in ``index``."""
    torch.manual_seed(seed)
    sides = [
        Side(len(side.vocabulary), side.schema.size, side.schema.columns, settings.width)
        for side in (dataset.users, dataset.movies)
    ]
    mean = float(targets_of(dataset.ratings[index], settings).mean())
    if settings.target == "like":
        mean = float(np.log(mean / (1 - mean))) if 0 < mean < 1 else 0.0
    if model == "deepfm":
        parts = {"use_fm": settings.use_fm, "use_mlp": settings.use_mlp}
        return DeepFM(*sides, mean, settings.hidden, settings.dropout, **parts)
    return NETWORKS[model](*sides, mean)


def fit(
    network: TwoEncoder,
    dataset: Dataset,
    train: np.ndarray,
    validation: np.ndarray | None,
    settings: Settings,
    seed: int,
    on_epoch: Callable[[int, float, float | None], None] = lambda *_: None,
) -> Curves:
    """Fit ``network`` in place to the rows ``train`` and return its losses.

    With ``validation`` rows it stops after ``settings.patience`` epochs without a lower loss and keeps the best
    epoch's weights; without, it runs for ``settings.epochs``. Raises DivergedError for a loss that is not finite.
    """
    device = next(network.parameters()).device
    batches = Batches(dataset, train, settings, device)
    held_out = None if validation is None else Batches(dataset, validation, settings, device)
    generator = torch.Generator().manual_seed(seed)
    loss_function = loss_of(settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, settings.epochs, eta_min=settings.learning_rate / 10
    )
    curves, best, started = Curves(), None, time.perf_counter()
    progress = tqdm(range(1, settings.epochs + 1), desc="fit", unit="epoch", leave=False, disable=None)
    for epoch in progress:
        network.train()
        order = torch.randperm(len(batches), generator=generator).to(device)
        total = 0.0
        for chosen in order.split(settings.batch_size):
            users, movies, targets = batches.users[chosen], batches.movies[chosen], batches.targets[chosen]
            if not dataset.has_ratings:
                users, movies, targets = with_negatives(users, movies, targets, dataset, generator)
            loss = loss_function(batches.scores(network, users, movies), targets)
            optimizer.zero_grad()
            (loss + penalty(network, batches, users, movies, settings)).backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        schedule.step()
        curves.train.append(total / len(batches))
        if not np.isfinite(curves.train[-1]):
            raise DivergedError(f"the loss is {curves.train[-1]} in epoch {epoch}: try a lower --learning-rate")
        if held_out is not None:
            curves.validation.append(evaluate_loss(network, held_out, dataset, loss_function))
            if curves.best_epoch == epoch:
                best = copy.deepcopy(network.state_dict())
            elif epoch - curves.best_epoch >= settings.patience:
                break
        on_epoch(epoch, curves.train[-1], curves.validation[-1] if curves.validation else None)
        progress.set_postfix(train=f"{curves.train[-1]:.4f}", validation=f"{(curves.validation or [np.nan])[-1]:.4f}")
    if best is not None:
        network.load_state_dict(best)
    settle_unknown(network.eval(), dataset, batches, settings)
    curves.seconds = time.perf_counter() - started
    return curves


def penalty(network: TwoEncoder, batches: Batches, users: Tensor, movies: Tensor, settings: Settings) -> Tensor:
    """Squared embeddings of what a batch touches, so that what is rated often is shrunk as often: scalar."""
    own = network.own_users(users).square().sum() + network.own_items(movies).square().sum()
    total = settings.decay * own
    if network.uses_features:
        for side, features, weights in (
            (network.users, batches.user_features[users], batches.user_weights[users]),
            (network.items, batches.movie_features[movies], batches.movie_weights[movies]),
        ):
            total = total + settings.feature_decay * (side.features(features).square().sum(2) * weights).sum()
    return total / len(users)


def with_negatives(
    users: Tensor, movies: Tensor, targets: Tensor, dataset: Dataset, generator: torch.Generator, each: int = 4
) -> tuple[Tensor, Tensor, Tensor]:
    """A log of likes has no dislikes: add ``each`` movies drawn at random for every like, as such."""
    count = len(users) * each
    drawn = torch.randint(1, len(dataset.movies.vocabulary), (count,), generator=generator).to(movies.device)
    return (
        torch.cat([users, users.repeat(each)]),
        torch.cat([movies, drawn]),
        torch.cat([targets, targets.new_zeros(count)]),
    )


@torch.no_grad()
def evaluate_loss(
    network: TwoEncoder, batches: Batches, dataset: Dataset, loss_function: Callable[[Tensor, Tensor], Tensor]
) -> float:
    """Mean loss over a set of rows (for a log of likes, beside the same random dislikes every time)."""
    network.eval()
    users, movies, targets = batches.users, batches.movies, batches.targets
    if not dataset.has_ratings:
        users, movies, targets = with_negatives(users, movies, targets, dataset, torch.Generator().manual_seed(0))
    scores = [
        batches.scores(network, users[chosen], movies[chosen])
        for chosen in torch.arange(len(users), device=users.device).split(65536)
    ]
    return float(loss_function(torch.cat(scores), targets))


def settle_unknown(network: TwoEncoder, dataset: Dataset, batches: Batches, settings: Settings) -> None:
    """Give every embedding that no rating has touched a value that predicts as well as one without it can.

    A feature's missing value becomes the mean of its known values; id row 0 is fitted to ratings as if each had
    come from an unknown user (movie), half of them without side features; ids without ratings get a copy of it.
    """
    for side, data, rows in (
        (network.users, dataset.users, batches.users),
        (network.items, dataset.movies, batches.movies),
    ):
        _settle_features(side, data, rows.cpu().numpy())
        row_zero = _row_zero(network, side, batches, dataset, settings)
        with torch.no_grad():
            untouched = torch.ones(len(data.vocabulary), dtype=torch.bool, device=rows.device)
            untouched[rows] = False
            side.own.weight[untouched] = row_zero


@torch.no_grad()
def _settle_features(side: Side, data: SideData, rows: np.ndarray) -> None:
    counts = torch.zeros(data.schema.size)
    features, weights = torch.from_numpy(data.features[rows]), torch.from_numpy(data.weights[rows])
    counts.index_add_(0, features.flatten(), weights.flatten())
    counts = counts.to(side.features.weight.device)
    for part in data.schema.fields:
        here = slice(part.offset, part.offset + part.size)
        table, count = side.features.weight[here], counts[here]
        table[count == 0] = (table * count.unsqueeze(1)).sum(0) / count.sum()


def _row_zero(network: TwoEncoder, side: Side, batches: Batches, dataset: Dataset, settings: Settings) -> Tensor:
    """The embedding [width + 1] of an unknown user (movie), with the rest of the network as it is."""
    generator = torch.Generator().manual_seed(0)
    sample = torch.randperm(len(batches), generator=generator)[:ROW_ZERO_SAMPLE].to(batches.users.device)
    users, movies, targets = batches.users[sample], batches.movies[sample], batches.targets[sample]
    if not dataset.has_ratings:
        users, movies, targets = with_negatives(users, movies, targets, dataset, generator)
    described = (torch.rand(len(users), generator=generator) < 0.5).to(users.device)
    with torch.no_grad():
        known_users, known_movies = batches.encode(network, users, movies)

    def score(own: Tensor) -> Tensor:
        if side is network.users:
            rows = users * described  # row 0 has every side feature missing
            encoded = network.encode_users(own, batches.user_features[rows], batches.user_weights[rows])
            return network.score_pairs(encoded, known_movies)
        rows = movies * described
        encoded = network.encode_items(own, batches.movie_features[rows], batches.movie_weights[rows])
        return network.score_pairs(known_users, encoded)

    size = side.width + 1
    weak = Prior(torch.zeros(size).to(users.device), torch.eye(size).to(users.device), noise=1.0)
    return fold_in(score, weak, targets, 0.5 if settings.target == "like" else None)
