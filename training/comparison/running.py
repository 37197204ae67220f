"""The archive that runs now: which rows of a log it has seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa

from archives.alone import ask
from archives.contents import CHECKSUMS, DAMAGED, MANIFEST, METRICS
from archives.errors import CannotAnswer
from archives.ids import MOVIES, USERS, StringIds, ids_in

from ..data import NAMES, DataError, RatingsLog

OTHER_LOG = (
    "Name the log: DATA=... for make, --data for training, --train='--data ...' for python -m serving retrain. "
    "For another log on purpose, train without --running and roll out"
)
REMEDY = "Give the .mar that runs, or train without --running and roll out: the new version is then compared with none"


class Running:
    """An archive unpacked in ``folder``: its ``version``, and the ``sha256`` of its contents as it says it itself."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = str(json.loads((folder / MANIFEST).read_bytes())["model"]["modelVersion"])
        self.sha256 = sha256((folder / CHECKSUMS).read_bytes()).hexdigest()
        self._users, self._movies = (_ids(folder, side) for side in (USERS, MOVIES))
        offsets, rows, self._ratings = (
            np.load(folder / f"seen_{name}.npy", allow_pickle=False) for name in ("offsets", "rows", "ratings")
        )
        self._counts = np.diff(offsets)
        self._pairs = pd.Index(self._keys(np.repeat(np.arange(len(self._users)), self._counts), rows.astype(np.int64)))

    def places(self, ratings: pd.DataFrame) -> np.ndarray:
        """Where each pair of ``ratings`` is among the rows that it was fitted to: int64 [n], -1 where it is not."""
        users, movies = _rows(self._users, ratings["user_id"]), _rows(self._movies, ratings["movie_id"])
        return np.where((users < 0) | (movies < 0), -1, self._pairs.get_indexer(self._keys(users, movies)))

    def knows(self, users: pd.Series) -> np.ndarray:
        """Whether it was fitted to any row of each of ``users``: bool [n]."""
        rows = _rows(self._users, users)
        return (rows >= 0) & (self._counts[rows] > 0)

    def changed(self, ratings: pd.DataFrame) -> float | None:
        """The share of its rows in ``ratings`` that had another rating then; None where there are no two to compare."""
        places = self.places(ratings)
        if "rating" not in ratings or not (places >= 0).any() or np.isnan(self._ratings).any():
            return None
        return float((self._ratings[places] != ratings["rating"].to_numpy())[places >= 0].mean())

    def check(self) -> None:
        """Ask it one question. Raises DataError where it cannot answer that, which no training should come before."""
        try:
            ask(self.folder, [{"catalogue": True, "k": 1}])
        except CannotAnswer as error:
            reason = str(error).splitlines()[-1]
            raise DataError(f"version {self.version} cannot answer: {reason}", remedy=REMEDY) from error

    def check_log(self, log: RatingsLog) -> None:
        """Raise DataError where it was trained on another log, and ``log`` is a data set for trying things.

        That is what is trained on where no log is named. The name is all that a log keeps from one night to the next.
        """
        try:
            name = json.loads((self.folder / METRICS).read_bytes())["data"]["name"]
        except (OSError, KeyError, TypeError, ValueError):
            return  # it does not say so
        if log.name in NAMES and log.name != name:
            raise DataError(
                f"is not the log of version {self.version}, which is {name}", file=log.name, remedy=OTHER_LOG
            )

    def _keys(self, users: np.ndarray, movies: np.ndarray) -> np.ndarray:
        return users * len(self._movies) + movies


@contextmanager
def opened(archive: Path | None) -> Iterator[Running | None]:
    """The archive, unpacked as long as the block lasts; None for None.

    Raises DataError where it cannot be read.
    """
    if archive is None:
        yield None
        return
    with TemporaryDirectory(prefix="running-") as name:
        folder = Path(name)
        try:
            with ZipFile(archive) as packed:
                packed.extractall(folder)
            running = Running(folder)
        except (OSError, *DAMAGED, KeyError, ValueError) as error:
            raise DataError(
                f"is no archive of this project ({error})",
                file=archive,
                remedy=REMEDY,
            ) from error
        yield running


def _ids(folder: Path, side: str) -> pd.Index:
    """The ids in row order; that of row 0, which is nobody's, is none that a log can have."""
    known = ids_in(folder, side)
    if isinstance(known, StringIds):
        offsets, data = (pa.py_buffer(np.ascontiguousarray(part)) for part in (known.offsets, known.data))
        texts = pa.LargeStringArray.from_buffers(len(known), offsets, data)
        return pd.Index(pd.array(pa.concat_arrays([pa.array([""], pa.large_string()), texts]), dtype="str"))
    return pd.Index(np.concatenate([[np.iinfo(np.int64).min], known.values]))


def _rows(known: pd.Index, ids: pd.Series) -> np.ndarray:
    if known.dtype != ids.dtype:  # 7 and "7" are one id, as they are to requests
        known, ids = known.astype("str"), ids.astype("str")
    return known.get_indexer(ids).astype(np.int64)
