"""Users a second of ``python -m training recommend``, beside the bare matrix product with a top-k that it rests on.

    python -m benchmarks.batch_lists build/mf

Both are done in turns in one process, by the same threads, for the same users and by the same list ranker.
"""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import tyro
from pyarrow import parquet
from tyro.conf import Positional

from handlers.recommender.loading import load_service
from handlers.recommender.model.query import Selection
from training.recommend import USERS_A_PART, USERS_AT_ONCE, Tables


@dataclass(frozen=True)
class BatchLists:
    """Make lists of users, and the product and top-k alone, and print a line of JSON."""

    folder: Positional[Path]
    """A trained model, such as build/mf."""
    k: int = 100
    """How many movies a list has."""
    diversity: float = 0.0
    """How much a list avoids similar movies, from 0 to 1."""
    rounds: int = 5
    """How often each is measured, in turns; the medians count."""
    threads: int = 2
    """Threads on a CPU."""

    def run(self) -> None:
        """Measure."""
        torch.set_num_threads(self.threads)
        model = load_service(self.folder).model
        table_of = Tables(model, Selection(self.k, diversity=self.diversity))
        rated = np.flatnonzero(np.diff(model.arrays["seen_offsets"].numpy()))
        chosen = np.random.default_rng(0).permutation(rated)[: USERS_A_PART * self.rounds]
        parts = np.array_split(np.sort(chosen), self.rounds)
        vectors = torch.randn(USERS_AT_ONCE, model.ranker.items.size(1))
        ours, bare = [], []
        with TemporaryDirectory() as folder:
            for part in parts:
                started = time.perf_counter()
                parquet.write_table(table_of(part), Path(folder) / "part.parquet")
                ours.append(len(part) / (time.perf_counter() - started))
                started = time.perf_counter()
                for _ in range(0, len(part), USERS_AT_ONCE):
                    (vectors @ model.ranker.items.t()).topk(self.k)
                bare.append(len(part) / (time.perf_counter() - started))
        found = {
            "movies": len(model.movies) - 1,
            "factors": model.ranker.items.size(1),
            "k": self.k,
            "users_a_second": round(statistics.median(ours)),
            "bare_users_a_second": round(statistics.median(bare)),
            "ratio_of_time": round(statistics.median(bare) / statistics.median(ours), 2),
        }
        print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(BatchLists, description=__doc__).run()
