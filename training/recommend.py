"""Lists for every user of a model, as one Parquet file: the same lists that the served model gives, made in batches.

The users are divided into parts. Each part becomes a file of its own, which is moved into place when it is complete, so
that a run that was killed goes on where it stopped; at the end the parts are joined. Under ``torchrun`` each process
makes its share of the parts, and the first one joins them.
"""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

from archives.contents import METADATA, named_in, sha256_of
from archives.errors import StoreError
from archives.pack import DETAILS
from archives.store import replacing
from archives.unpack import unpack
from handlers.recommender.api.errors import InvalidRequest
from handlers.recommender.api.requests import GivenCondition
from handlers.recommender.api.where import conditions
from handlers.recommender.loading import load_service
from handlers.recommender.model.attributes import Where
from handlers.recommender.model.errors import ArchiveError
from handlers.recommender.model.model import Model
from handlers.recommender.model.query import Selection, UserQuery

from . import distributed
from .errors import UserError
from .fingerprint import code
from .progress import counted, stage

USERS_A_PART = 4096
USERS_AT_ONCE = 256
MADE_FOR = b"lists"  # the key of the Parquet file's metadata that says which lists it holds


class RecommendError(UserError):
    """There is no model to make lists with, or they cannot be written; the message says what to do."""


def recommend(
    model: str,
    build: Path,
    k: int,
    out: Path,
    device: torch.device | None = None,
    diversity: float = 0.0,
    popularity_damping: float = 0.0,
    where: str = "",
    explore: float = 0.0,
    seed: int = 0,
) -> bool:
    """Write to ``out`` the lists of the ``k`` best movies for all users with ratings, by the model in ``build``.

    A row is an entry: ``user_id``, ``rank`` (int32, from 1), ``movie_id`` and ``score`` (float64), a user's rows
    together in the order of the list, users in ascending order. Movies that a user has rated are left out.
    ``diversity``, ``popularity_damping``, ``where`` (JSON), ``explore`` and ``seed`` are those of a request. Where
    ``explore`` is not 0, a bool column ``explored`` says which entries come from exploration. They are made on a CPU
    where no ``device`` is given. The ids are in the column ``item_id`` where the log has that word. Returns False where
    ``out`` holds these lists already.

    Raises RecommendError where there is no model, for an option that cannot be, and where a file cannot be written.
    """
    beyond = {"diversity": diversity, "popularity_damping": popularity_damping, "explore": explore}
    _check(k, beyond, seed)
    folder = build / model
    made_from = {"model": model_digest(folder), "k": k, "users_a_part": USERS_A_PART, "code": code()} | beyond
    made_from |= ({"where": where} if where else {}) | ({"seed": seed} if explore else {})
    wanted = json.dumps(made_from)
    if distributed.agreed(made_for(out) == wanted):
        return False
    try:
        loaded = load_service(folder, device=device).model
    except ArchiveError as error:
        raise RecommendError(f"{error}: train it again (make train MODEL={model})") from error
    for name, value in beyond.items():
        if value and loaded.ranker is None:
            raise RecommendError(
                f"{_option(name)} is {value:g}: {folder} has no list ranker; leave it out, or train the model again"
            )
    selection = Selection(k, where=_where(where, loaded), seed=seed, **beyond)
    rated = np.flatnonzero(np.diff(loaded.arrays["seen_offsets"].cpu().numpy()))
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]
    parts = out.with_name(f".{out.name}.{digest}")
    files = [parts / f"{number:06}.parquet" for number in range(-(-len(rated) // USERS_A_PART))]
    with _writing(out):
        if distributed.is_first():
            _remove_others(out, parts)
        parts.mkdir(parents=True, exist_ok=True)
        shared_out = range(distributed.rank(), len(files), distributed.size())
        mine = [place for place in shared_out if not _is_whole(files[place])]
        table_of = Tables(loaded, selection)
        for place in counted(mine, "making lists", len(mine), f"{USERS_A_PART} users"):
            _write(files[place], [table_of(rated[place * USERS_A_PART : (place + 1) * USERS_A_PART])])
        with stage("waiting for the lists of other processes"):
            distributed.wait()
        if distributed.is_first():
            _join(files, out, table_of.schema.with_metadata({MADE_FOR: wanted.encode()}))
            shutil.rmtree(parts)
    return True


@contextmanager
def unpacked(archive: Path, model: str) -> Iterator[Path]:
    """Yields a folder with the model of an archive, as ``build`` of ``recommend``.

    Raises RecommendError where it is no archive of ``model`` or there is no room, ArchiveRefused where it is damaged.
    """
    with TemporaryDirectory(prefix="lists-of-") as name:
        folder = Path(name) / model
        folder.mkdir()
        named = named_in(archive)
        if named is None:
            raise RecommendError(f"--archive {archive} is no archive of this project, or cannot be read")
        if named[0] != model:
            raise RecommendError(f"--archive {archive} is of {named[0]}: give one of {model}, or recommend {named[0]}")
        try:
            unpack(archive, folder)
        except OSError as error:
            raise RecommendError(f"--archive {archive} cannot be unpacked in {name} ({error})") from error
        yield Path(name)


def _check(k: int, beyond: dict[str, float], seed: int) -> None:
    if k < 1:
        raise RecommendError(f"--k is {k}: give 1 or more")
    if seed < 0:
        raise RecommendError(f"--seed is {seed}: give 0 or more")
    for name, value in beyond.items():
        if not 0 <= value <= 1:
            raise RecommendError(f"{_option(name)} is {value:g}: give a number from 0 to 1")


def _where(text: str, model: Model) -> Where:
    """The conditions that a text writes. Raises RecommendError where it is none, or one that the model cannot meet."""
    if not text:
        return ()
    try:
        found, unknown = conditions(msgspec.json.decode(text, type=dict[str, GivenCondition]), model.catalogue.columns)
    except (msgspec.MsgspecError, InvalidRequest) as error:
        raise RecommendError(f'--where is {text}: {error}; write it as \'{{"category": ["Bikes"]}}\'') from error
    if unknown:
        raise RecommendError(f"--where is {text}: {unknown[0][0]} is {unknown[0][1]!r}, which no entry has; correct it")
    return found


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def model_digest(folder: Path) -> str:
    """A hex digest of the model in ``folder``, without what only its report shows."""
    if not (folder / METADATA).is_file():
        raise RecommendError(f"{folder} holds no model: train it first (make train MODEL={folder.name})")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DETAILS)
    with stage("hashing the model"):
        names = [f"{path.relative_to(folder)} {sha256_of(path)}\n" for path in files]
    return hashlib.sha256("".join(names).encode()).hexdigest()


def made_for(path: Path) -> str | None:
    """Which lists a file holds: the model's digest and the options, as JSON; None where there is no such file."""
    try:
        found = parquet.read_schema(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    return found.get(MADE_FOR, b"").decode() or None


class Tables:
    """Makes the table of the lists of some users."""

    def __init__(self, model: Model, selection: Selection) -> None:
        self._model, self._selection = model, selection
        self._movies = pa.array(model.movies.ids[row] for row in range(1, len(model.movies)))
        users = pa.int64() if model.users.integers else pa.string()
        of_movies = model.metadata.words.id
        columns = {"user_id": users, "rank": pa.int32(), of_movies: self._movies.type, "score": pa.float64()}
        if selection.explore:
            columns["explored"] = pa.bool_()
        self.schema = pa.schema(list(columns.items()))

    def __call__(self, rows: np.ndarray) -> pa.Table:
        """The lists of the user ``rows`` int64 [n]."""
        lists = []
        for start in range(0, len(rows), USERS_AT_ONCE):
            queries = [UserQuery(row) for row in rows[start : start + USERS_AT_ONCE].tolist()]
            lists += self._model.recommend(queries, [self._selection] * len(queries), [False] * len(queries))
        lengths = np.array([len(each.rows) for each in lists])
        users = pa.array(self._model.users.ids[row] for row in rows.tolist()).cast(self.schema.field("user_id").type)
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns = [
            users.take(pa.array(np.repeat(np.arange(len(rows)), lengths))),
            pa.array((1 + np.arange(lengths.sum()) - starts).astype(np.int32)),
            self._movies.take(pa.array(np.concatenate([each.rows for each in lists]) - 1)),
            pa.array(np.concatenate([each.scores for each in lists])),
        ]
        if self._selection.explore:
            columns.append(pa.array(np.concatenate([each.explored for each in lists])))
        return pa.Table.from_arrays(columns, schema=self.schema)


def _write(path: Path, tables: Iterator[pa.Table] | list[pa.Table], schema: pa.Schema | None = None) -> None:
    """Write tables as row groups of one file, whole or not at all."""
    schema = schema or tables[0].schema
    with replacing(path) as staged, parquet.ParquetWriter(staged, schema) as writer:
        for table in tables:
            writer.write_table(table)


def _join(files: list[Path], out: Path, schema: pa.Schema) -> None:
    _write(out, (parquet.read_table(file) for file in counted(files, "joining lists", len(files), "part")), schema)


def _is_whole(part: Path) -> bool:
    """Whether a part is there and was not torn, as by a machine that lost power."""
    try:
        parquet.read_metadata(part)
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def _remove_others(out: Path, parts: Path) -> None:
    """Remove the parts of lists that are no longer wanted there: of another model or length."""
    for other in out.parent.glob(f".{glob.escape(out.name)}." + "[0-9a-f]" * len(parts.suffix[1:])):
        if other != parts:
            shutil.rmtree(other)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, StoreError) as error:
        raise RecommendError(
            f"{out} cannot be written ({error.__cause__ or error}): make room or give another --out, and "
            "run the same command again; it goes on with the lists that are finished"
        ) from error
