"""What an archive holds besides code, loaded and checked. Arrays are memory-mapped, so workers share them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from ..api.errors import ArchiveError
from .catalogue import Catalogue, Titles
from .features import FeatureSchema
from .foldin import Prior, Solution, scorer, solve
from .link import Link, Logistic, Ordinal, Regression
from .list_ranker import ListRanker
from .vocabulary import RawId, Vocabulary


class DataSummary(msgspec.Struct, frozen=True):
    """Which log the archive was trained on."""

    name: str
    sha256: str
    ratings: int
    users: int
    movies: int


class Metadata(msgspec.Struct, frozen=True):
    """What the numbers of an archive mean.

    ``target``: scores are ratings on ``scale``, or the probability of a rating above ``like_above``. ``scale`` is
    None for a log without ratings. ``width``: length of the vectors. ``similarity_shrinkage``: a movie with n ratings
    keeps n / (n + shrinkage) of its cosine. ``prior_noise``: variance of what was observed about a raw score.
    ``levels`` and ``cuts``: the rating levels and the cut points between them where ratings were fitted as ordered
    levels; without them a raw score is a rating. ``rank_weight``: what a rating weighs in a history
    (``rank.ListRanker``), None where the score orders the lists.
    """

    model: str
    data: DataSummary
    target: Literal["rating", "like"]
    scale: tuple[float, float] | None
    like_above: float
    width: int
    prior_noise: float
    similarity_shrinkage: float
    user_features: FeatureSchema
    movie_features: FeatureSchema
    levels: tuple[float, ...] = ()
    cuts: tuple[float, ...] = ()
    rank_weight: tuple[float, float] | None = None

    @property
    def link(self) -> Link:
        """What a raw score means."""
        if self.target == "like":
            return Logistic(self.like_above)
        if self.levels:
            return Ordinal(self.levels, self.cuts, self.prior_noise**0.5)
        return Regression(*self.scale, self.prior_noise)

    @property
    def meaning(self) -> str:
        """What a score is, in words."""
        if self.scale is None:
            return "probability of a like"
        low, high = self.scale
        of_like = f"probability of a rating above {self.like_above:g}"
        return of_like if self.target == "like" else f"rating from {low:g} to {high:g}"

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score."""
        return self.scale if self.target == "rating" and self.scale else (0.0, 1.0)


ARRAYS = {
    "user_features": "int64",  # [users, C] feature-table rows
    "user_weights": "float32",  # [users, C]
    "movie_features": "int64",
    "movie_weights": "float32",
    "user_encodings": "float32",  # [users, D]: the users of the log, encoded at export
    "item_encodings": "float32",  # [movies, D]: the catalogue, encoded at export
    "item_directions": "float32",  # [movies, width]: unit vectors, for cosines
    "map": "float32",  # [movies, 2]: the movies' places on a plane, in [-1, 1]
    "rating_counts": "int64",  # [movies]
    "seen_offsets": "int64",  # [users + 1]: user row u has rated seen_rows[offsets[u]:offsets[u + 1]]
    "seen_rows": "int32",
    "seen_ratings": "float32",  # NaN for a like
    "prior_mean": "float32",  # [width + 1]
    "prior_precision": "float32",  # [width + 1, width + 1]
}

ON_DEVICE = ("user_encodings", "item_encodings", "item_directions", "rank_users")

RANK_TABLES = ("inputs", "items", "people", "alike")

# Of the head that orders lists, where there is one.
RANK_ARRAYS = {
    "rank_users": "float32",  # [users, R]: the users of the log, encoded at export
    "rank_inputs": "float32",  # [movies, R]
    "rank_items": "float32",  # [movies, R], by column
    "rank_people": "float32",  # [1 + user feature values, R]
    "rank_alike": "float32",  # [movies, R], by column
}

SOME = 50  # users whom a description names where nothing else is set, and where their ids are integers

CHECKSUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Archive:
    """One model with all that its answers need."""

    metadata: Metadata
    metrics: dict[str, Any]
    network: torch.jit.ScriptModule
    users: Vocabulary
    movies: Vocabulary
    catalogue: Catalogue
    arrays: dict[str, Tensor]
    prior: Prior
    rank: ListRanker | None
    sha256: str

    @cached_property
    def link(self) -> Link:
        """What a raw score means."""
        return self.metadata.link

    def some_users(self, most: int | None) -> list[RawId]:
        """Ids of users who have rated, ``most`` of them or fewer, spread evenly over the dictionary.

        None stands for ``SOME`` integers, and for no texts: those may be names or e-mail addresses.
        """
        if most is None:
            most = SOME if self.users.integers else 0
        rated = np.flatnonzero(np.diff(self.arrays["seen_offsets"].numpy()))
        some = np.linspace(0, len(rated) - 1, min(len(rated), most)).astype(np.int64)
        return [self.users.ids[row] for row in rated[some]]

    def features_of(self, user_rows: Tensor) -> tuple[Tensor, Tensor]:
        """Side features of users [B]: indices and weights [B, C], copies."""
        return self.arrays["user_features"][user_rows], self.arrays["user_weights"][user_rows]

    def inverse_link(self, raw: Tensor) -> Tensor:
        """Raw scores on the scale of the target, to six digits: float64 in the shape of ``raw``, where that is."""
        return self.link.inverse_link(raw.double()).round(decimals=6)

    def fold_in(self, features: Tensor, weights: Tensor, ratings: Mapping[int, float]) -> Solution:
        """Somebody new, with side features [C], weights [C] and ratings by movie row."""
        items = self.arrays["item_encodings"][list(ratings)]
        return solve(
            scorer(self.network, features, weights, items),
            self.prior,
            torch.tensor(list(ratings.values()), device=items.device),
            self.link,
        )

    def seen(self, user_row: int) -> np.ndarray:
        """The movie rows that a user has rated, in ascending order."""
        return self._of_user("seen_rows", user_row)

    def seen_ratings(self, user_row: int) -> np.ndarray:
        """Their ratings, in the same order; NaN for a like."""
        return self._of_user("seen_ratings", user_row)

    def _of_user(self, name: str, row: int) -> np.ndarray:
        start, end = self.arrays["seen_offsets"][row : row + 2].tolist()
        return self.arrays[name][start:end].numpy()


def load(folder: Path, device: torch.device) -> Archive:
    """Load the archive unpacked in ``folder``; the network and the item side go to ``device``.

    Raises ArchiveError where a file is missing or unreadable, or where two of its parts do not fit each other.
    """
    try:
        metadata = msgspec.json.decode((folder / "metadata.json").read_bytes(), type=Metadata)
        titles = msgspec.json.decode((folder / "titles.json").read_bytes(), type=Titles)
        metrics = msgspec.json.decode((folder / "metrics.json").read_bytes(), type=dict)
        users = Vocabulary(msgspec.json.decode((folder / "users.json").read_bytes(), type=list[int | str | None])[1:])
        movies = Vocabulary(msgspec.json.decode((folder / "movies.json").read_bytes(), type=list[int | str | None])[1:])
        kinds = ARRAYS if metadata.rank_weight is None else ARRAYS | RANK_ARRAYS
        arrays = {name: _mapped(folder / f"{name}.npy", dtype) for name, dtype in kinds.items()}
        network = torch.jit.load(str(folder / f"{metadata.model}.pt"), map_location=device).eval()
    except (OSError, ValueError, RuntimeError, msgspec.MsgspecError) as error:
        raise ArchiveError(f"the archive in {folder} cannot be read: {error}") from error
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    _check_fit(metadata, network, users, movies, titles, arrays)
    checksums = folder / CHECKSUMS
    return Archive(
        metadata=metadata,
        metrics=metrics,
        network=network,
        users=users,
        movies=movies,
        catalogue=Catalogue(movies, titles, arrays["rating_counts"].numpy(), arrays["map"].numpy()),
        arrays=arrays | {name: arrays[name].to(device) for name in ON_DEVICE if name in arrays},
        rank=None
        if metadata.rank_weight is None
        else ListRanker(*(arrays[f"rank_{name}"].to(device) for name in RANK_TABLES), metadata.rank_weight),
        prior=Prior(arrays["prior_mean"].to(device), arrays["prior_precision"].to(device)),
        sha256=hashlib.sha256(checksums.read_bytes()).hexdigest() if checksums.exists() else "",
    )


def _mapped(path: Path, dtype: str) -> Tensor:
    # Copy-on-write: the pages stay shared as long as nobody writes, and torch asks for a writable buffer.
    array = np.load(path, mmap_mode="c", allow_pickle=False)
    if array.dtype != dtype:
        raise ArchiveError(f"{path.name} holds {array.dtype}, expected {dtype}")
    return torch.from_numpy(array)


def _check_fit(
    metadata: Metadata,
    network: torch.jit.ScriptModule,
    users: Vocabulary,
    movies: Vocabulary,
    titles: Titles,
    arrays: dict[str, Tensor],
) -> None:
    state = network.state_dict()
    pt = f"{metadata.model}.pt"
    expected = {
        f"{pt} (user table)": (state["users.own.weight"].size(0), "users.json", len(users)),
        f"{pt} (movie table)": (state["items.own.weight"].size(0), "movies.json", len(movies)),
        f"{pt} (width)": (state["users.own.weight"].size(1) - 1, "metadata.json (width)", metadata.width),
        f"{pt} (user features)": (
            state["users.features.weight"].size(0),
            "metadata.json (user_features)",
            metadata.user_features.size,
        ),
        f"{pt} (movie features)": (
            state["items.features.weight"].size(0),
            "metadata.json (movie_features)",
            metadata.movie_features.size,
        ),
        "titles.json": (len(titles.titles), "movies.json", len(movies)),
        "seen_offsets.npy": (arrays["seen_offsets"].size(0) - 1, "users.json", len(users)),
        "seen_rows.npy": (arrays["seen_rows"].size(0), "seen_offsets.npy (end)", int(arrays["seen_offsets"][-1])),
    } | {
        f"{name}.npy": (arrays[name].size(0), f"{side}.json", len(vocabulary))
        for side, vocabulary, names in (
            ("users", users, ("user_features", "user_weights", "user_encodings")),
            ("movies", movies, ("movie_features", "movie_weights", "item_encodings", "item_directions")),
            ("movies", movies, ("map", "rating_counts")),
        )
        for name in names
    }
    if metadata.rank_weight is not None:
        expected |= {
            f"{name}.npy": (arrays[name].size(0), "movies.json", len(movies))
            for name in ("rank_inputs", "rank_items", "rank_alike")
        } | {
            "rank_users.npy": (arrays["rank_users"].size(0), "users.json", len(users)),
            "rank_people.npy": (
                arrays["rank_people"].size(0),
                "metadata.json (everybody and user_features)",
                1 + metadata.user_features.size,
            ),
        }
    for part, (found, other, size) in expected.items():
        if found != size:
            raise ArchiveError(f"{part} has {found} rows, {other} has {size}: they are not of one export")
    widths = {f"{name}.npy": arrays[name].size(1) for name in RANK_ARRAYS if name in arrays}
    if len(set(widths.values())) > 1:
        raise ArchiveError(f"the columns of {widths} differ: they are not of one export")
