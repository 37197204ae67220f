"""What the three examples share: favourites, names, ids, and files that are whole or not there."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from archives.store import replacing

FOLDER = Path("data")  # where the examples write, each into a folder of its own; git ignores it


def favourites(rng: np.random.Generator, people: int, groups: int, count: int, times: float) -> np.ndarray:
    """How much people prefer groups: float64 [people, groups], ``times`` for ``count`` random ones each, else 1."""
    liked = rng.random((people, groups)).argsort(axis=1) < count
    return np.where(liked, times, 1.0)


def phrases(rng: np.random.Generator, number: int, *words: str) -> list[str]:
    """So many phrases of a word of each place, of texts with words; all different while there are others."""
    every = [" ".join(parts) for parts in product(*(place.split() for place in words))]
    order = np.concatenate([rng.permutation(len(every)) for _ in range(-(-number // len(every)))])
    return [every[place] for place in order[:number]]


def numbered(prefix: str, count: int) -> np.ndarray:
    """The ids "sku-001", "sku-002", ...: texts of one length [count]."""
    return np.array([f"{prefix}{number:03d}" for number in range(1, 1 + count)], dtype=object)


def write(folder: Path, **tables: pd.DataFrame) -> None:
    """Write ``<name>.csv`` for each table into ``folder``; say what is there now."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        with replacing(folder / f"{name}.csv") as staged:
            table.to_csv(staged, index=False)
        print(f"wrote {folder / name}.csv: {len(table):,} rows of {', '.join(table)}")
