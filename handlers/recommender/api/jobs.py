"""From requests to jobs: ids to rows. All that can be wrong with a request is found here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from ..model.archive import Archive
from ..model.vocabulary import Vocabulary
from .contract import Id, Request, kind_of
from .errors import InvalidRequest, TooLarge, UnknownId, shortened

LIKE = math.inf  # the rating that a like stands for: above any threshold


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one request, and all of a batch, may ask for; set under ``handler:`` in ``model-config.yaml``.

    ``named_users``: how many user ids the description names, to whoever asks. None: as many as
    ``Archive.some_users`` thinks harmless.
    """

    max_k: int = 1000
    max_instances: int = 1000
    max_ids: int = 10_000
    max_answer_bytes: int = 16_000_000
    max_batch_bytes: int = 32_000_000
    max_batch_seconds: float = 20.0
    named_users: Annotated[int, Meta(ge=0)] | None = None


@dataclass(eq=False)
class Job:
    """One request with its ids as rows, on the way to its answer. ``unknown`` names what was not known."""

    request: Request
    kind: str
    unknown: list[str] = field(default_factory=list)
    user_row: int = 0
    movie_row: int = 0
    user_features: tuple[list[int], list[float]] | None = None
    movie_features: tuple[list[int], list[float]] | None = None
    ratings: dict[int, float] = field(default_factory=dict)  # movie row to rating
    candidates: list[int] | None = None
    exclude: list[int] = field(default_factory=list)
    answer: dict[str, Any] | None = None

    def finish(self, **parts: Any) -> None:
        """Set the answer."""
        self.answer = parts | ({"unknown": self.unknown} if self.unknown else {})


class Resolver:
    """Looks up what requests name in one archive."""

    def __init__(self, archive: Archive, limits: Limits) -> None:
        self.archive = archive
        self.limits = limits
        self.schemas = {"user": archive.metadata.user_features, "movie": archive.metadata.movie_features}

    def resolve(self, request: Request) -> Job:
        """The job that a request is. Raises RequestError for one that cannot be done."""
        job, archive = Job(request, kind_of(request)), self.archive
        if request.user_id is not UNSET:
            job.user_row = self._row(job, archive.users, "user_id")
        if request.movie_id is not UNSET:
            job.movie_row = self._row(job, archive.movies, "movie_id")
        if request.user is not UNSET:
            job.user_features = self._features(job, "user")
        if request.movie is not UNSET:
            job.movie_features = self._features(job, "movie")
        if request.ratings is not UNSET:
            rows = self._rows(job, "ratings", [one.movie_id for one in request.ratings], "ratings[{}].movie_id")
            ratings = [self._rating(one.rating, position) for position, one in enumerate(request.ratings)]
            job.ratings = {row: rating for row, rating in zip(rows, ratings, strict=True) if row}
        if request.candidates is not UNSET:
            job.candidates = self._rows(job, "candidates", request.candidates, "candidates[{}]")
        if request.exclude is not UNSET:
            job.exclude = self._rows(job, "exclude", request.exclude, "exclude[{}]")
        if request.genres is not UNSET:
            self._limit("genres", request.genres)
            for position, genre in enumerate(request.genres):
                if genre not in archive.catalogue.by_genre:
                    self._note(job, f"genres[{position}]", genre, "genre")
        return job

    def _row(self, job: Job, vocabulary: Vocabulary, name: str) -> int:
        raw = getattr(job.request, name)
        row = vocabulary.row(raw)
        if row == 0:
            self._note(job, name, raw, name.removesuffix("_id"), fallback=job.kind != "similar")
        return row

    def _rows(self, job: Job, name: str, raw: Sequence[Id], each: str) -> list[int]:
        """Rows of a list of movie ids, 0 where one is not known."""
        self._limit(name, raw)
        movies = self.archive.movies
        rows = movies.to_rows(raw)
        for position, row in enumerate(rows):
            if row == 0:
                self._note(job, each.format(position), raw[position], "movie")
        return rows

    def _features(self, job: Job, side: str) -> tuple[list[int], list[float]]:
        given, schema = getattr(job.request, side), self.schemas[side]
        for name in given:
            if name not in schema.names:
                raise InvalidRequest(f"{side}.{name} is not a side feature of this model: {self._known_features()}")
        indices, weights, unknown = schema.encode(given, side)
        for name in unknown:
            self._note(job, f"{side}.{name}", given[name], "value")
        return indices, weights

    def _known_features(self) -> str:
        if not any(schema.fields for schema in self.schemas.values()):
            return "it uses ids only"
        known = (f"of a {side} {', '.join(schema.names) or 'none'}" for side, schema in self.schemas.items())
        return f"it knows {'; '.join(known)}"

    def _note(self, job: Job, name: str, raw: Any, noun: str, fallback: bool = True) -> None:
        """Name something unknown in the answer, or refuse it where the request (or its kind) wants that."""
        if not fallback or job.request.on_unknown == "error":
            raise UnknownId(f"{name} is {shortened(raw)}, which is no {noun} that this model knows: check it")
        job.unknown.append(name)

    def _limit(self, name: str, values: Sequence[Any]) -> None:
        if len(values) > self.limits.max_ids:
            raise TooLarge(f"{name} has {len(values)} entries: send at most {self.limits.max_ids}")

    def _rating(self, rating: float | None, position: int) -> float:
        scale, name = self.archive.metadata.scale, f"ratings[{position}].rating"
        if scale is None:
            if rating is not None:
                raise InvalidRequest(f"{name} is {rating:g}: this model was trained on likes; leave it out")
            return LIKE
        if rating is None:
            raise InvalidRequest(f"{name} is missing: give a rating from {scale[0]:g} to {scale[1]:g}")
        if not scale[0] <= rating <= scale[1]:
            raise InvalidRequest(f"{name} is {rating:g}: give a rating from {scale[0]:g} to {scale[1]:g}")
        return rating
