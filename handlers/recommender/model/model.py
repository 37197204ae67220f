"""A trained model in rows and arrays: what an unpacked archive holds besides code."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from .array_files import ArrayFiles
from .browse import Browsing
from .catalogue import Catalogue
from .drift import Drift
from .embeddings import embeddings_of
from .errors import ArchiveError
from .explain import Explainer
from .exploration import Exploration
from .files import (
    ARRAYS,
    CHECKSUMS,
    ON_DEVICE,
    RANK_TABLES,
    check_sizes,
    optional_arrays,
    read_arrays,
    read_attributes,
    read_titles,
    read_vocabulary,
)
from .foldin import Prior, Rated, Solution, in_groups, means_that_give, scorer, solve, solve_each
from .link import Link
from .list_ranker import History, ListRanker, with_fresh
from .lists import ListMaker
from .metadata import Metadata
from .network import Network, load_network, network_file
from .query import LIKE, MovieQuery, RankedList, Selection, UserQuery
from .recommendations import Recommendations
from .similar import Similarity
from .timeline import Timeline
from .vocabulary import Vocabulary

MAX_SCORES = 1 << 24  # scores of lists held at once: 64 MiB


@dataclass(eq=False)
class Model:
    """One model with all that its answers need. The network and the item side are on ``device``.

    ``score_pairs``: raw scores float32 [pairs] of aligned encodings [pairs, D]. It is the network's, or a faster one.
    """

    metadata: Metadata
    metrics: dict[str, Any]
    network: Network
    users: Vocabulary
    movies: Vocabulary
    catalogue: Catalogue
    arrays: dict[str, Tensor]
    prior: Prior
    ranker: ListRanker | None
    drift: Drift | None
    timeline: Timeline
    sha256: str
    device: torch.device
    score_pairs: Callable[[Tensor, Tensor], Tensor] = field(init=False)

    def __post_init__(self) -> None:
        """Scores come from the network at first."""
        self.score_pairs = self.network.score_pairs
        self._seen_offsets, self._seen_rows, self._seen_ratings = (
            self.arrays[f"seen_{name}"].numpy() for name in ("offsets", "rows", "ratings")
        )
        self._seen_weights = self.arrays["seen_weights"].numpy() if self.metadata.weighted else self._seen_ratings

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> "Model":
        """Load the archive that is unpacked in ``folder``. Arrays are memory-mapped, so workers share them.

        Raises ArchiveError where a file is missing or unreadable, or where two of them do not fit each other.
        """

        files = ArrayFiles(folder)

        def read(name: str, kind: Any) -> Any:
            return msgspec.json.decode((folder / name).read_bytes(), type=kind)

        try:
            metadata, metrics = read("metadata.json", Metadata), read("metrics.json", dict)
            titles = read_titles(files, metadata.genres)
            users, movies = (read_vocabulary(files, side) for side in ("user", "movie"))
            arrays = read_arrays(files, ARRAYS | optional_arrays(metadata))
            attributes = read_attributes(files, metadata.attributes, len(movies))
        except (OSError, ValueError, RuntimeError, msgspec.MsgspecError) as error:
            raise ArchiveError(f"the archive in {folder} cannot be read: {error}") from error
        path = network_file(folder, metadata.model)
        network = load_network(path, device)
        check_sizes(
            metadata, path.name, network.state_dict(), {"user": len(users), "movie": len(movies)}, len(titles), arrays
        )
        checksums = folder / CHECKSUMS
        tables = [arrays[name].to(device) for name in RANK_TABLES if name in arrays]
        return cls(
            metadata=metadata,
            metrics=metrics,
            network=network,
            users=users,
            movies=movies,
            catalogue=Catalogue(
                titles,
                arrays["rating_counts"].numpy(),
                arrays["map"].numpy(),
                attributes,
                usual=metadata.words.field == "movie",
            ),
            arrays=arrays | {name: arrays[name].to(device) for name in ON_DEVICE if name in arrays},
            prior=Prior(arrays["prior_mean"].to(device), arrays["prior_precision"].to(device)),
            ranker=ListRanker(*tables, metadata.rank_weight, metadata.rank_strength) if tables else None,
            drift=Drift.of(arrays, metadata.drift_seconds),
            timeline=Timeline.of(arrays),
            sha256=hashlib.sha256(checksums.read_bytes()).hexdigest() if checksums.exists() else "",
            device=device,
        )

    # --- what it answers

    @torch.no_grad()
    def score(self, users: Sequence[UserQuery], movies: Sequence[MovieQuery]) -> np.ndarray:
        """Scores float64 [pairs] of aligned users and movies, on the scale of the target."""
        encodings = self.encode_users(users), self.encode_movies(movies)
        return self.inverse_link(self.score_pairs(*encodings)).cpu().numpy()

    @torch.no_grad()
    def recommend(
        self, users: Sequence[UserQuery], selections: Sequence[Selection], explained: Sequence[bool]
    ) -> list[RankedList]:
        """A list for each user; ``explained``: with the reasons of its entries."""
        return self._recommendations.make(users, selections, explained)

    @torch.no_grad()
    def similar(self, movie: MovieQuery, selection: Selection) -> RankedList:
        """The movies most like one: scores are cosines."""
        return self._similarity.nearest(movie, selection)

    @torch.no_grad()
    def browse(self, selection: Selection) -> RankedList:
        """A list for nobody in particular: what is popular, of late or at all, or what is new."""
        return self._browsing.make(selection)

    def seen(self, user_row: int) -> np.ndarray:
        """The movie rows int32 that a user has rated, in ascending order."""
        return self._seen_rows[self._seen_offsets[user_row] : self._seen_offsets[user_row + 1]]

    def seen_ratings(self, user_row: int) -> np.ndarray:
        """The ratings float32 of these movies, in the same order; NaN for a like."""
        return self._seen_ratings[self._seen_offsets[user_row] : self._seen_offsets[user_row + 1]]

    def history(self, user: UserQuery) -> History:
        """What the list ranker knows of who asks: movie rows [n] and, for each, a rating or the weight of a like."""
        span = slice(*self._seen_offsets[user.row : user.row + 2])
        return with_fresh((self._seen_rows[span], self._seen_weights[span]), user.ratings)

    # --- parts of answers

    @cached_property
    def link(self) -> Link:
        """The link between raw scores and the scale of the target."""
        return self.metadata.link

    @cached_property
    def lists(self) -> Exploration:
        """Makes lists of all kinds from the numbers that order them."""
        vectors, counts = None if self.ranker is None else self.ranker.item_similarity, self.catalogue.counts
        return Exploration(ListMaker(counts, vectors, self.device), counts)

    @property
    def lists_at_once(self) -> int:
        """How many lists are made together."""
        return max(1, MAX_SCORES // len(self.movies))

    def inverse_link(self, raw: Tensor) -> Tensor:
        """Raw scores on the scale of the target, to six digits: float64 in the shape and on the device of ``raw``."""
        return self.link.inverse_link(raw.double()).round(decimals=6)

    def encode_users(self, users: Sequence[UserQuery]) -> Tensor:
        """Encodings [B, D]: those of the log, and of users whom the request describes."""
        rows = torch.tensor([user.row for user in users], dtype=torch.int64, device=self.device)  # also of nobody
        encodings = self.arrays["user_encodings"].index_select(0, rows)
        asked = [position for position, user in enumerate(users) if user.needs_encoding]
        if asked:
            encodings[asked] = self._encode_queries([users[position] for position in asked])
        if self.drift is not None:
            self._add_drift(encodings, users)
        return encodings

    def encode_movies(self, movies: Sequence[MovieQuery]) -> Tensor:
        """Encodings [B, D]: those of the catalogue, and of movies that come with their features."""
        encodings = self.arrays["item_encodings"][[movie.row for movie in movies]]
        for position, movie in enumerate(movies):
            if movie.features:
                encodings[position] = self._encode_new_movie(movie)
        return encodings

    def features_of(self, user_rows: Tensor) -> tuple[Tensor, Tensor]:
        """Side features of the log's users [B]: copies of indices and weights [B, C]."""
        features, weights = self.arrays["user_features"], self.arrays["user_weights"]
        return features.index_select(0, user_rows), weights.index_select(0, user_rows)

    def features_of_queries(self, users: Sequence[UserQuery]) -> tuple[Tensor, Tensor]:
        """Side features of who asks: indices and weights [B, C] on the device."""
        features, weights = self.features_of(torch.tensor([user.row for user in users]))
        for position, user in enumerate(users):
            if user.features:
                features[position], weights[position] = map(torch.tensor, user.features)
        return features.to(self.device), weights.to(self.device)

    def ratings_of(self, user: UserQuery) -> dict[int, float]:
        """All that a user has rated, by movie row: in the log, and with the request, which counts more."""
        return self._stored_ratings(user.row) | user.ratings

    def fold_in(self, features: Tensor, weights: Tensor, ratings: Mapping[int, float]) -> Solution:
        """The embedding of somebody new with side features [C], weights [C] and ratings by movie row."""
        items = self.arrays["item_encodings"][list(ratings)]
        values = torch.tensor(list(ratings.values()), device=items.device)
        return solve(scorer(self.network, features, weights, items), self.prior, values, self.link)

    def _encode_queries(self, users: Sequence[UserQuery]) -> Tensor:
        features, weights = self.features_of_queries(users)
        embeddings = self.network.user_embeddings(torch.zeros(len(users), dtype=torch.int64, device=self.device))
        rated = [position for position, user in enumerate(users) if user.ratings]
        size = self.metadata.width + 1
        sizes = [size + len(self.seen(users[position].row)) + len(users[position].ratings) for position in rated]
        for few in in_groups(rated, sizes):
            embeddings[few] = self._embeddings_of([users[position] for position in few], features[few], weights[few])
        return self.network.encode_users(embeddings, features, weights)

    def _add_drift(self, encodings: Tensor, users: Sequence[UserQuery]) -> None:
        """Add what the moment adds to scores to encodings [B, D], in place, where a user comes with a timestamp."""
        timed = [position for position, user in enumerate(users) if user.timestamp is not None]
        if timed:
            rows, timestamps = zip(*((users[position].row, users[position].timestamp) for position in timed))
            drift = torch.from_numpy(self.drift.at(np.array(rows), np.array(timestamps, np.int64)))
            encodings[timed, self.metadata.width] += drift.to(self.device)  # the scalar of the encoding (embeddings.py)

    def _embeddings_of(self, users: Sequence[UserQuery], features: Tensor, weights: Tensor) -> Tensor:
        """The embeddings [B, E] that explain all ratings of each user best, those of the log and those of the request.

        For a user of the log, the stored ratings alone give the trained embedding (``foldin.means_that_give``), so
        only what the fresh ratings add is solved for. ``features``, ``weights``: [B, C].
        """
        prior, known = self.prior, [place for place, user in enumerate(users) if user.row]
        means, start = (prior.mean.repeat(len(users), 1) for _ in range(2))
        stored = [self._stored_ratings(user.row) for user in users]
        if known:
            encodings = self.arrays["user_encodings"][[users[place].row for place in known]]
            columns = features[known], weights[known]
            trained = embeddings_of(self.network.encode_users, encodings, *columns, self.metadata.width)
            before = self._rated([stored[place] for place in known], *columns)
            means[known], start[known] = means_that_give(trained, before, prior.precision, self.link), trained
        rated = self._rated([own | user.ratings for own, user in zip(stored, users, strict=True)], features, weights)
        return solve_each(rated, means, prior.precision, self.link, start).embedding

    def _rated(self, ratings: Sequence[Mapping[int, float]], features: Tensor, weights: Tensor) -> Rated:
        """Of people with ratings by movie row, side features [B, C] and weights [B, C]."""
        items = self.arrays["item_encodings"][[row for one in ratings for row in one]]
        values = torch.tensor([value for one in ratings for value in one.values()], device=items.device)
        counts = [len(one) for one in ratings]
        person = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)).to(self.device)
        return Rated(scorer(self.network, features[person], weights[person], items), values, counts)

    def _stored_ratings(self, user_row: int) -> dict[int, float]:
        ratings = self.seen_ratings(user_row)
        return dict(zip(self.seen(user_row).tolist(), np.where(np.isnan(ratings), LIKE, ratings).tolist(), strict=True))

    def _encode_new_movie(self, movie: MovieQuery) -> Tensor:
        indices, weights = (torch.tensor([values], device=self.device) for values in movie.features)
        unknown = self.network.item_embeddings(torch.zeros(1, dtype=torch.int64, device=self.device))
        return self.network.encode_items(unknown, indices, weights)[0]

    @cached_property
    def _recommendations(self) -> Recommendations:
        return Recommendations(self, Explainer(self))

    @cached_property
    def _browsing(self) -> Browsing:
        return Browsing(self)

    @cached_property
    def _similarity(self) -> Similarity:
        return Similarity(self)
