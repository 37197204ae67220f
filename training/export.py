"""From a fitted estimator to ``build/<model>/``: all that an archive holds besides code."""

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
from handlers.recommender.model.link import Ordinal
from handlers.recommender.model.list_ranker import ListRanker
from handlers.recommender.model.metadata import DataSummary, Metadata, Titles
from handlers.recommender.model.positions import evenly_spread

from .data.log import RatingsLog
from .estimators import TwoEncoderEstimator
from .fitting.tensors import InteractionTensors
from .interactions import Interactions
from .models import TwoEncoder
from .progress import stage
from .rankers import ease

COSINE_SHRINKAGE = 20.0  # ratings: a movie with n of them has its similarities multiplied by n / (n + 20)
TOLERANCE = 1e-4
ROWS_COMPARED = 10_000


class ExportError(RuntimeError):
    """The scripted network does not compute what the eager one does."""


@stage("exporting")
@torch.no_grad()
def export(
    folder: Path,
    estimator: TwoEncoderEstimator,
    log: RatingsLog,
    known: Interactions,
    metrics: dict[str, Any],
    shown: dict[str, Any] | None = None,
) -> None:
    """Write ``folder``, whole or not at all; what was there before is replaced.

    ``estimator``: fitted to rows of ``log``. ``known``: what users have rated, of the same sides; lists leave it out,
    and histories show it. ``shown``: what only the report shows, which does not go into the archive.

    Raises ExportError where the scripted network's scores differ from the eager network's.
    """
    network = estimator.network.eval().cpu()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*torch.jit.*")
        scripted = torch.jit.script(network)
        tensors = InteractionTensors(known, estimator.settings, torch.device("cpu"))
        arrays = _arrays(scripted, known, tensors) | _list_arrays(estimator.ranker, known)
        _check_same(network, scripted, tensors)
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            torch.jit.save(scripted, str(staging / f"{estimator.name}.pt"))
            for name, array in arrays.items():
                np.save(staging / f"{name}.npy", array.astype((ARRAYS | RANK_ARRAYS)[name]), allow_pickle=False)
            _write_json(staging / "users.json", known.users.vocabulary.ids)
            _write_json(staging / "movies.json", known.movies.vocabulary.ids)
            _write_json(staging / "titles.json", _titles(log, known))
            _write_json(staging / "metadata.json", _metadata(estimator, log, known))
            (staging / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
            if shown is not None:
                _write_json(staging / DETAILS, shown)
            staging.chmod(0o755)
            _replace(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _arrays(
    scripted: torch.jit.ScriptModule, known: Interactions, tensors: InteractionTensors
) -> dict[str, np.ndarray]:
    user_rows, movie_rows = (torch.arange(count) for count in known.shape)
    items = scripted.encode_items(scripted.item_embeddings(movie_rows), tensors.movie_features, tensors.movie_weights)
    users = scripted.encode_users(scripted.user_embeddings(user_rows), tensors.user_features, tensors.user_weights)
    directions = torch.nn.functional.normalize(items[:, : scripted.items.n_factors], dim=1)
    order = np.lexsort((known.movie_rows, known.user_rows))
    prior = prior_of(scripted.user_embeddings(torch.from_numpy(np.unique(known.user_rows))).numpy())
    return {
        "user_features": known.users.features,
        "user_weights": known.users.weights,
        "movie_features": known.movies.features,
        "movie_weights": known.movies.weights,
        "user_encodings": users.numpy(),
        "item_encodings": items.numpy(),
        "item_directions": directions.numpy(),
        "map": plane(directions.numpy()),
        "rating_counts": np.bincount(known.movie_rows, minlength=len(movie_rows)),
        "seen_offsets": np.searchsorted(
            known.user_rows[order], np.arange(len(known.users.vocabulary) + 1), side="left"
        ),
        "seen_rows": known.movie_rows[order],
        "seen_ratings": known.ratings[order],
        "prior_mean": prior.mean.numpy(),
        "prior_precision": prior.precision.numpy(),
    }


def plane(directions: np.ndarray) -> np.ndarray:
    """The movies on a plane, in [-1, 1]: the two principal components of their directions [N, n_factors], [N, 2]."""
    centred = directions - directions.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:2].T
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))  # directions of one number lie on a line
    return places / max(float(np.abs(places).max()), 1e-12)


def _list_arrays(ranker: ListRanker, known: Interactions) -> dict[str, np.ndarray]:
    users = ease.encoder(ranker, known)(np.arange(known.shape[0]))
    tables = {name: table.numpy() for name, table in zip(RANK_TABLES, ranker.tables, strict=True)}
    read_whole = {name: by_column(tables[name]) for name in ("rank_items", "rank_alike")}
    return {"rank_users": users.numpy()} | tables | read_whole


def by_column(table: np.ndarray) -> np.ndarray:
    """The same table [movies, D] in column order, so that the product of a vector with it reads memory in order.

    By row it takes 1.3 times as long at 64 columns and 3 times at 128 (a million movies, one thread).
    """
    return np.asfortranarray(table)


def _metadata(estimator: TwoEncoderEstimator, log: RatingsLog, known: Interactions) -> Metadata:
    link, settings = estimator.link, estimator.settings
    levels = {"levels": link.levels, "cuts": link.cuts} if isinstance(link, Ordinal) else {}
    return Metadata(
        model=estimator.name,
        data=DataSummary(
            log.name,
            log.sha256,
            len(known),
            len(np.unique(known.user_rows)),
            len(np.unique(known.movie_rows)),
        ),
        target=settings.target,
        scale=log.scale if log.has_ratings else None,
        like_above=settings.like_above,
        width=settings.n_factors,
        prior_noise=max(link.noise_std**2, 1e-3),
        similarity_shrinkage=COSINE_SHRINKAGE,
        user_features=known.users.schema,
        movie_features=known.movies.schema,
        rank_weight=estimator.ranker.weight,
        **levels,
    )


def _titles(log: RatingsLog, known: Interactions) -> Titles:
    of_movies: dict[Any, tuple[str, int | None, str]] = {}
    if log.movies is not None:
        table = log.movies[["movie_id", "title", "year", "genres"]].astype(object)
        for movie, title, year, genres in table.where(table.notna(), None).itertuples(index=False, name=None):
            of_movies[movie] = (title, year, genres)
    rows = [of_movies.get(raw, (None, None, "")) for raw in known.movies.vocabulary.ids]
    return Titles(
        titles=[title or None for title, _, _ in rows],
        years=[None if year is None else int(year) for _, year, _ in rows],
        genres=[[tag for tag in (genres or "").split("|") if tag] for _, _, genres in rows],
    )


def _check_same(network: TwoEncoder, scripted: torch.jit.ScriptModule, tensors: InteractionTensors) -> None:
    chosen = torch.from_numpy(evenly_spread(len(tensors), ROWS_COMPARED))
    users, movies = tensors.users[chosen], tensors.movies[chosen]
    differences = tensors.scores(network, users, movies) - tensors.scores(scripted, users, movies)
    largest = differences.abs().max().item()
    if not largest <= TOLERANCE:
        raise ExportError(
            f"the scripted network's scores are up to {largest:g} away from the eager ones; nothing written"
        )


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
