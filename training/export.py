"""From a fitted estimator to ``build/<model>/``: all that an archive holds besides code."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from archives.contents import METRICS
from archives.pack import DETAILS
from handlers.recommender.model.drift import Drift
from handlers.recommender.model.files import ARRAYS, DRIFT_ARRAYS, OPTIONAL_ARRAYS, RANK_TABLES
from handlers.recommender.model.foldin import prior_of
from handlers.recommender.model.link import Ordinal
from handlers.recommender.model.list_ranker import ListRanker
from handlers.recommender.model.metadata import DataSummary, Metadata
from handlers.recommender.model.positions import evenly_spread
from handlers.recommender.model.titles import TITLE_ARRAYS

from .attributes import attribute_arrays
from .browsing import browse_arrays
from .catalogue import title_arrays
from .config import Settings
from .data.log import RatingsLog
from .estimators import TwoEncoderEstimator
from .fitting.tensors import InteractionTensors
from .interactions import Interactions, SideData
from .models import TwoEncoder
from .progress import stage
from .rankers import weighted

COSINE_SHRINKAGE = 20.0  # ratings: a movie with n of them has its similarities multiplied by n / (n + 20)
TOLERANCE = 1e-4
ROWS_COMPARED = 10_000
ROWS_AT_A_TIME = 65_536
ENCODINGS = {"user": "user_encodings", "movie": "item_encodings"}
DTYPES = ARRAYS | OPTIONAL_ARRAYS | TITLE_ARRAYS


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
        scripted = torch.jit.script(without_ids(network))
        _check_same(network, scripted, known, estimator.settings)
        genres, titles = title_arrays(log.movies, known.movies.vocabulary)
        attributes, columns = attribute_arrays(log.movies, log.shown, known.movies.vocabulary)
        browse, of_browse = browse_arrays(log, known)
        weights = confidences_for(estimator, known)
        of_arrays = {"genres": tuple(genres), "attributes": attributes, "weighted": weights is not None} | of_browse
        with replacing_folder(folder) as staging:
            torch.jit.save(scripted, str(staging / f"{estimator.name}.pt"))
            write_side(staging, "user", known.users, scripted.encode_users, network.users.embeddings.weight)
            write_side(staging, "movie", known.movies, scripted.encode_items, network.items.embeddings.weight)
            save(staging, item_arrays(np.load(staging / f"{ENCODINGS['movie']}.npy"), network.items.n_factors))
            save(staging, titles | columns | history_arrays(known, weights))
            save(staging, rank_arrays(estimator.ranker) | drift_arrays(estimator.drift) | browse)
            save(staging, prior_arrays(network.users.embeddings.weight.numpy(), known))
            write_json(staging / "metadata.json", _metadata(estimator, log, known, of_arrays))
            (staging / METRICS).write_text(json.dumps(metrics, indent=2) + "\n")
            if shown is not None:
                write_json(staging / DETAILS, shown)


def without_ids(network: TwoEncoder) -> TwoEncoder:
    """A copy of a network that has the embeddings of the unknown ids alone, row 0.

    All others are encoded in the files that ``write_side`` writes. TorchScript reads a table into each worker's own
    memory, and a table of ten million users is larger than all else that a worker needs.
    """
    tables = [side.embeddings for side in (network.users, network.items)]
    # ``deepcopy`` takes what stands in its memo for the copy of a part.
    # A slice that is no copy would be saved with all that it is a slice of.
    rows = {id(table): torch.nn.Embedding.from_pretrained(table.weight[:1].clone()) for table in tables}
    return copy.deepcopy(network, rows)


def write_side(
    folder: Path, name: str, side: SideData, encode: Callable[[Tensor, Tensor, Tensor], Tensor], embeddings: Tensor
) -> None:
    """Write the dictionary, the features and the encodings of a side, "user" or "movie", a block of rows at a time.

    ``embeddings`` [rows, E]: those of the ids.
    """
    save(folder, {f"{name}_{part}": array for part, array in side.vocabulary.arrays.items()})
    features, weights = side.features, side.weights
    save(folder, {f"{name}_features": features, f"{name}_weights": weights})
    path, table = folder / f"{ENCODINGS[name]}.npy", None
    for start in range(0, len(embeddings), ROWS_AT_A_TIME):
        block = slice(start, start + ROWS_AT_A_TIME)
        encoded = encode(embeddings[block], torch.from_numpy(features[block]), torch.from_numpy(weights[block])).numpy()
        if table is None:
            shape = (len(embeddings), encoded.shape[1])
            table = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        table[block] = encoded


def item_arrays(encodings: np.ndarray, n_factors: int) -> dict[str, np.ndarray]:
    """What the encodings [movies, D] say of the movies alone: their directions and the map."""
    directions = torch.nn.functional.normalize(torch.from_numpy(encodings)[:, :n_factors], dim=1).numpy()
    return {"item_directions": directions, "map": plane(directions)}


def confidences_for(estimator: TwoEncoderEstimator, known: Interactions) -> np.ndarray | None:
    """What likes weigh in the histories of the list ranker, float32 [n]; None where all weigh the same."""
    valued = weighted.histories(known, estimator.settings)
    return None if valued is known else valued.ratings


def history_arrays(known: Interactions, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What each user has rated, what that weighs where ``weights`` [n] say so, and how often each movie was rated."""
    users, movies, ratings = known.user_rows, known.movie_rows, known.ratings
    if not _in_order(users, movies):
        order = np.lexsort((movies, users))
        users, movies, ratings = users[order], movies[order], ratings[order]
        weights = None if weights is None else weights[order]
    offsets = np.zeros(known.shape[0] + 1, np.int64)
    np.cumsum(np.bincount(users, minlength=known.shape[0]), out=offsets[1:])
    return {
        "rating_counts": np.bincount(movies, minlength=known.shape[1]),
        "seen_offsets": offsets,
        "seen_rows": movies,
        "seen_ratings": ratings,
    } | ({} if weights is None else {"seen_weights": weights})


def _in_order(users: np.ndarray, movies: np.ndarray) -> bool:
    before, after = slice(None, -1), slice(1, None)
    rises = (users[after] > users[before]) | ((users[after] == users[before]) & (movies[after] >= movies[before]))
    return bool(rises.all())


def prior_arrays(embeddings: np.ndarray, known: Interactions) -> dict[str, np.ndarray]:
    """The prior of a new user's embedding: those of the users who have rated, float32 [users, E]."""
    rated = np.bincount(known.user_rows, minlength=len(embeddings)) > 0
    prior = prior_of(embeddings[rated])
    return {"prior_mean": prior.mean.numpy(), "prior_precision": prior.precision.numpy()}


def plane(directions: np.ndarray) -> np.ndarray:
    """The movies on a plane, in [-1, 1]: the two principal components of their directions [N, n_factors], [N, 2]."""
    centred = directions - directions.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:2].T
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))  # directions of one number lie on a line
    return places / max(float(np.abs(places).max()), 1e-12)


def rank_arrays(ranker: ListRanker) -> dict[str, np.ndarray]:
    """The tables of the list ranker."""
    tables = {name: table.numpy() for name, table in zip(RANK_TABLES, ranker.tables, strict=True)}
    return tables | {name: by_column(tables[name]) for name in ("rank_items", "rank_alike")}


def drift_arrays(drift: Drift | None) -> dict[str, np.ndarray]:
    """The drift of the users; nothing where there is none."""
    return {} if drift is None else dict(zip(DRIFT_ARRAYS, (drift.offsets, drift.times, drift.values), strict=True))


def by_column(table: np.ndarray) -> np.ndarray:
    """The same table [movies, D] in column order, so that the product of a vector with it reads memory in order.

    By row it takes 1.3 times as long at 64 columns and 3 times at 128 (a million movies, one thread).
    """
    return np.asfortranarray(table)


def _metadata(
    estimator: TwoEncoderEstimator,
    log: RatingsLog,
    known: Interactions,
    of_arrays: dict[str, Any],
) -> Metadata:
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
        rank_strength=estimator.ranker.strength,
        drift_seconds=estimator.drift and estimator.drift.seconds,
        words=log.words,
        **levels,
        **of_arrays,
    )


def _check_same(network: TwoEncoder, scripted: torch.jit.ScriptModule, known: Interactions, settings: Settings) -> None:
    rows = known.take(evenly_spread(len(known), ROWS_COMPARED))
    pairs = InteractionTensors(rows, settings, torch.device("cpu"))
    unknown = torch.zeros(1, dtype=torch.int64)
    users, movies = torch.cat([unknown, pairs.users]), torch.cat([unknown, pairs.movies])
    of_users, of_movies = network.user_embeddings(users), network.item_embeddings(movies)
    expected = _scores(network, pairs, users, movies, of_users, of_movies)
    of_users[:1], of_movies[:1] = scripted.user_embeddings(unknown), scripted.item_embeddings(unknown)
    largest = (expected - _scores(scripted, pairs, users, movies, of_users, of_movies)).abs().max().item()
    if not largest <= TOLERANCE:
        raise ExportError(
            f"the scripted network's scores are up to {largest:g} away from the eager ones; nothing written"
        )


def _scores(
    network: TwoEncoder | torch.jit.ScriptModule,
    pairs: InteractionTensors,
    users: Tensor,
    movies: Tensor,
    of_users: Tensor,
    of_movies: Tensor,
) -> Tensor:
    return network.score_pairs(
        network.encode_users(of_users, pairs.user_features[users], pairs.user_weights[users]),
        network.encode_items(of_movies, pairs.movie_features[movies], pairs.movie_weights[movies]),
    )


def save(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name, in the dtypes of an archive."""
    for name, array in arrays.items():
        dtype = DTYPES.get(name, array.dtype)
        np.save(folder / f"{name}.npy", array.astype(dtype, copy=False), allow_pickle=False)


def write_json(path: Path, value: Any) -> None:
    """Write what msgspec can encode."""
    path.write_bytes(msgspec.json.encode(value) + b"\n")


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yields a folder to write, which is moved to ``folder`` when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging, old = (Path(tempfile.mkdtemp(prefix=f".{folder.name}-{part}", dir=folder.parent)) for part in ("", "old-"))
    try:
        yield staging
        staging.chmod(0o755)
        if folder.exists():  # a folder cannot be renamed over another one that is not empty
            os.replace(folder, old / folder.name)
        os.replace(staging, folder)
    finally:
        for left in (staging, old):
            shutil.rmtree(left, ignore_errors=True)
