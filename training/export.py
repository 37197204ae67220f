"""From a fitted network to ``build/<model>/``: all that an archive holds besides code."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from archives.pack import DETAILS
from handlers.recommender.model.files import ARRAYS, RANK_ARRAYS, RANK_TABLES
from handlers.recommender.model.foldin import prior_of
from handlers.recommender.model.link import Link, Ordinal
from handlers.recommender.model.list_ranker import ListRanker
from handlers.recommender.model.metadata import DataSummary, Metadata, Titles

from .config import Settings
from .data.log import RatingsLog
from .dataset import Dataset
from .fitting import Fit, rank
from .fitting.batches import Batches
from .models import TwoEncoder
from .progress import stage

SIMILARITY_SHRINKAGE = 20.0
TOLERANCE = 1e-4
ROWS_COMPARED = 10_000


class ExportError(RuntimeError):
    """The scripted network does not compute what the eager one does."""


@stage("exporting")
@torch.no_grad()
def export(
    folder: Path,
    model: str,
    fitted: Fit,
    head: ListRanker,
    log: RatingsLog,
    dataset: Dataset,
    settings: Settings,
    metrics: dict[str, Any],
    shown: dict[str, Any] | None = None,
) -> None:
    """Write ``folder``, whole or not at all; what was there before is replaced.

    ``shown``: what only the report shows, which does not go into the archive.

    Raises ExportError where the scripted network's scores differ from the eager network's.
    """
    network = fitted.network.eval().cpu()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*torch.jit.*")
        scripted = torch.jit.script(network)
        batches = Batches(dataset, np.arange(len(dataset)), settings, torch.device("cpu"))
        arrays = _arrays(scripted, dataset, batches, settings) | _rank_arrays(head, dataset)
        _check_same(network, scripted, batches)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            torch.jit.save(scripted, str(staging / f"{model}.pt"))
            for name, array in arrays.items():
                np.save(staging / f"{name}.npy", array.astype((ARRAYS | RANK_ARRAYS)[name]), allow_pickle=False)
            _write_json(staging / "users.json", dataset.users.vocabulary.ids)
            _write_json(staging / "movies.json", dataset.movies.vocabulary.ids)
            _write_json(staging / "titles.json", _titles(log, dataset))
            _write_json(staging / "metadata.json", _metadata(model, fitted.link, head, log, dataset, settings))
            (staging / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
            if shown is not None:
                _write_json(staging / DETAILS, shown)
            staging.chmod(0o755)
            _replace(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _arrays(
    scripted: torch.jit.ScriptModule, dataset: Dataset, batches: Batches, settings: Settings
) -> dict[str, np.ndarray]:
    rows = torch.arange(len(dataset.movies.vocabulary))
    items = scripted.encode_items(scripted.own_items(rows), batches.movie_features, batches.movie_weights)
    everybody = torch.arange(len(dataset.users.vocabulary))
    users = scripted.encode_users(scripted.own_users(everybody), batches.user_features, batches.user_weights)
    directions = torch.nn.functional.normalize(items[:, : settings.width], dim=1)
    order = np.lexsort((dataset.movie_rows, dataset.user_rows))
    prior = prior_of(scripted.own_users(torch.from_numpy(np.unique(dataset.user_rows))).numpy())
    return {
        "user_features": dataset.users.features,
        "user_weights": dataset.users.weights,
        "movie_features": dataset.movies.features,
        "movie_weights": dataset.movies.weights,
        "user_encodings": users.numpy(),
        "item_encodings": items.numpy(),
        "item_directions": directions.numpy(),
        "map": plane(directions.numpy()),
        "rating_counts": np.bincount(dataset.movie_rows, minlength=len(rows)),
        "seen_offsets": np.searchsorted(
            dataset.user_rows[order], np.arange(len(dataset.users.vocabulary) + 1), side="left"
        ),
        "seen_rows": dataset.movie_rows[order],
        "seen_ratings": dataset.ratings[order],
        "prior_mean": prior.mean.numpy(),
        "prior_precision": prior.precision.numpy(),
    }


def plane(directions: np.ndarray) -> np.ndarray:
    """The movies on a plane, in [-1, 1]: the two principal components of their directions [N, width], [N, 2]."""
    centred = directions - directions.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:2].T
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))  # directions of one number lie on a line
    return places / max(float(np.abs(places).max()), 1e-12)


def _rank_arrays(head: ListRanker, dataset: Dataset) -> dict[str, np.ndarray]:
    everybody = rank.encoder(head, dataset, np.arange(len(dataset)))(np.arange(len(dataset.users.vocabulary)))
    tables = {f"rank_{name}": getattr(head, name).numpy() for name in RANK_TABLES}
    met_whole = {name: by_column(tables[name]) for name in ("rank_items", "rank_alike")}
    return {"rank_users": everybody.numpy()} | tables | met_whole


def by_column(table: np.ndarray) -> np.ndarray:
    """The same table [movies, D], laid out so that a vector's product with all of it runs at memory's own speed.

    By row it takes 1.3 times as long at 64 columns and 3 times at 128 (a million movies, one thread).
    """
    return np.asfortranarray(table)


def _metadata(
    model: str, link: Link, head: ListRanker, log: RatingsLog, dataset: Dataset, settings: Settings
) -> Metadata:
    levels = {"levels": link.levels, "cuts": link.cuts} if isinstance(link, Ordinal) else {}
    return Metadata(
        model=model,
        data=DataSummary(
            log.name,
            log.sha256,
            len(dataset),
            len(np.unique(dataset.user_rows)),
            len(np.unique(dataset.movie_rows)),
        ),
        target=settings.target,
        scale=log.scale if log.has_ratings else None,
        like_above=settings.like_above,
        width=settings.width,
        prior_noise=max(link.spread**2, 1e-3),
        similarity_shrinkage=SIMILARITY_SHRINKAGE,
        user_features=dataset.users.schema,
        movie_features=dataset.movies.schema,
        rank_weight=head.weight,
        **levels,
    )


def _titles(log: RatingsLog, dataset: Dataset) -> Titles:
    known: dict[Any, tuple[str, int | None, str]] = {}
    if log.movies is not None:
        table = log.movies[["movie_id", "title", "year", "genres"]].astype(object)
        for movie, title, year, genres in table.where(table.notna(), None).itertuples(index=False, name=None):
            known[movie] = (title, year, genres)
    rows = [known.get(raw, (None, None, "")) for raw in dataset.movies.vocabulary.ids]
    return Titles(
        titles=[title or None for title, _, _ in rows],
        years=[None if year is None else int(year) for _, year, _ in rows],
        genres=[[tag for tag in (genres or "").split("|") if tag] for _, _, genres in rows],
    )


def _check_same(network: TwoEncoder, scripted: torch.jit.ScriptModule, batches: Batches) -> None:
    chosen = torch.from_numpy(evenly_spread(len(batches), ROWS_COMPARED))
    users, movies = batches.users[chosen], batches.movies[chosen]
    away = (batches.scores(network, users, movies) - batches.scores(scripted, users, movies)).abs().max().item()
    if not away <= TOLERANCE:
        raise ExportError(f"the scripted network's scores are up to {away:g} away from the eager ones; nothing written")


def evenly_spread(count: int, most: int) -> np.ndarray:
    """At most ``most`` of the positions below ``count``, evenly spread from the first to the last: int64."""
    steps = min(count, most)
    return np.arange(steps) * (count - 1) // max(steps - 1, 1)


def _write_json(path: Path, value: Any) -> None:
    path.write_bytes(msgspec.json.encode(value) + b"\n")


def _replace(staging: Path, folder: Path) -> None:
    """Move a finished folder into place; a folder that is already there cannot be renamed over, so it goes first."""
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        if folder.exists():
            os.replace(folder, old / folder.name)
        os.replace(staging, folder)
    finally:
        shutil.rmtree(old, ignore_errors=True)
