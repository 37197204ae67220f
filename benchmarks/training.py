"""Rows a second of training by gradient descent, beside the notebooks' loop: a DataLoader over a Dataset of rows.

Same network, batch sizes, optimizer and rows (ML-100K); medians over rounds in turns.

    python -m benchmarks.training
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from statistics import median

import torch
from torch.utils.data import DataLoader, Dataset

from training.config import preset
from training.data import load
from training.estimators import ESTIMATORS, TwoEncoderEstimator
from training.fitting import adam
from training.fitting.targets import loss_of
from training.fitting.tensors import InteractionTensors
from training.interactions import Interactions, encode

from .tables import of_records, publish

RESULTS = Path(__file__).with_suffix(".json")
ROUNDS = 3
EPOCHS = 3
BATCHES = (1024, 8192)  # what the presets take, and what a log of many millions wants


class Rows(Dataset):
    """One rating at a time."""

    def __init__(self, tensors: InteractionTensors) -> None:
        self.users, self.movies, self.targets = tensors.users, tensors.movies, tensors.targets

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.users[row], self.movies[row], self.targets[row]


def ours(estimator: TwoEncoderEstimator, data: Interactions) -> None:
    adam.fit(estimator.fresh_network(data), data, None, estimator.settings, 0, lambda *_: None)


def notebook(estimator: TwoEncoderEstimator, data: Interactions) -> None:
    settings, network = estimator.settings, estimator.fresh_network(data).train()
    tensors = InteractionTensors(data, settings, torch.device("cpu"))
    loss_function = loss_of(settings)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    loader = DataLoader(Rows(tensors), batch_size=settings.batch_size, shuffle=True)
    for users, movies, targets in chain.from_iterable(loader for _ in range(settings.epochs)):
        of_users = network.encode_users(
            network.user_embeddings(users), tensors.user_features[users], tensors.user_weights[users]
        )
        of_movies = network.encode_items(
            network.item_embeddings(movies), tensors.movie_features[movies], tensors.movie_weights[movies]
        )
        loss = loss_function(network.score_pairs(of_users, of_movies), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def rate(loop: Callable, estimator: TwoEncoderEstimator, data: Interactions) -> float:
    """Rows a second."""
    started = time.perf_counter()
    loop(estimator, data)
    return EPOCHS * len(data) / (time.perf_counter() - started)


def measure(model: str, batch: int) -> dict[str, object]:
    settings = dataclasses.replace(preset("quick", model), method="adam", epochs=EPOCHS, batch_size=batch)
    estimator = ESTIMATORS[model](settings)
    data = encode(load("ml-100k"), estimator.uses_features)
    found: dict[str, list[float]] = {"ours": [], "notebook": []}
    for _ in range(ROUNDS):
        found["ours"].append(rate(ours, estimator, data))
        found["notebook"].append(rate(notebook, estimator, data))
    fast, slow = (median(rates) for rates in found.values())
    return {
        "model": model,
        "batch": batch,
        "ours": int(round(fast, -2)),
        "notebook": int(round(slow, -2)),
        "ratio": round(fast / slow, 1),
    }


def training_speed(results: dict) -> str:
    """Rows a second of each model, beside the notebooks' loop."""
    return of_records(results["rows"])


ON_THE_PAGE = (training_speed,)


def load_results() -> dict:
    """The committed results."""
    return json.loads(RESULTS.read_text())


def main() -> None:
    torch.set_num_threads(1)
    rows = [measure(model, batch) for batch in BATCHES for model in ESTIMATORS]
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, one thread",
        "torch": torch.__version__,
        "epochs": EPOCHS,
        "rows": rows,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    publish(results, ON_THE_PAGE)


if __name__ == "__main__":
    main()
