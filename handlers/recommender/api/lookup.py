"""From what a request names to rows of one model. All that can be wrong with a request's values is found here."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from ..model.attributes import Where
from ..model.errors import FeatureError
from ..model.model import Model
from ..model.query import LIKE, Encoded
from ..model.vocabulary import Vocabulary
from .errors import InvalidRequest, TooLarge, UnknownId, shortened
from .job import Job
from .limits import Limits
from .requests import BEYOND, DEFAULT_K, GivenRating, Id, in_one_word, kind_of
from .where import conditions, size


class Lookup:
    """Looks up what requests name in one model."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self._model = model
        self._limits = limits
        self._words = model.metadata.words
        self._schemas = {"user": model.metadata.user_features, "movie": model.metadata.movie_features}

    def resolve(self, job: Job) -> None:
        """Set the job's kind, and what its request names. Raises RequestError for one that cannot be answered."""
        request, model = job.request, self._model
        job.kind = kind_of(request)
        in_one_word(request)
        if request.user_id is not UNSET:
            job.user.row = self._row(job, model.users, "user_id")
        if request.movie_id is not UNSET:
            job.movie.row = self._row(job, model.movies, "movie_id")
        if request.user is not UNSET:
            job.user.features = self._features(job, "user")
        if request.movie is not UNSET:
            job.movie.features = self._features(job, "movie")
        if request.ratings is not UNSET:
            job.user.ratings = self._ratings(job)
        if request.timestamp is not UNSET:
            job.user.timestamp = request.timestamp
        selection = job.selection
        selection.k = DEFAULT_K if request.k is UNSET else min(request.k, self._limits.max_k)
        selection.exclude_seen = request.exclude_seen is not False
        self._resolve_order(job)
        if request.candidates is not UNSET:
            selection.candidates = self._rows(job, "candidates", request.candidates, "candidates[{}]")
        if request.exclude is not UNSET:
            selection.exclude = self._rows(job, "exclude", request.exclude, "exclude[{}]")
        selection.where = self._where(job)

    def _resolve_order(self, job: Job) -> None:
        """Set what orders the job's list. Raises InvalidRequest for what this archive does not know."""
        request, selection, timeline = job.request, job.selection, self._model.timeline
        for name in (*BEYOND, "explore"):
            if getattr(request, name) is not UNSET:
                setattr(selection, name, self._beyond(job.kind, name, getattr(request, name)))
        if request.seed is not UNSET:
            selection.seed = request.seed
        if request.recent_days is not UNSET:
            self._needs(timeline.ages is not None, f"recent_days is {request.recent_days}", "a column timestamp")
            selection.recent_days = request.recent_days
        if request.newest is not UNSET:
            dates = "a column timestamp, or with an items file that has a column added or released"
            self._needs(timeline.added is not None, "newest is true", dates)
            selection.newest = True

    @staticmethod
    def _needs(is_there: bool, given: str, columns: str) -> None:
        if not is_there:
            raise InvalidRequest(
                f"{given}: this archive does not know when anything happened or came; leave it out, or train the model "
                f"again on a log with {columns}"
            )

    def _row(self, job: Job, vocabulary: Vocabulary, name: str) -> int:
        raw = getattr(job.request, name)
        row = vocabulary.row(raw)
        if row == 0:
            noun, name = ("user", name) if name == "user_id" else (self._words.one, self._words.id)
            self._note(job, name, raw, noun, fallback=job.kind != "similar")
        return row

    def _rows(self, job: Job, name: str, raw: Sequence[Id], each: str) -> list[int]:
        """Rows of a field of movie ids, 0 where one is not known. ``each`` names the field of one of them."""
        self._check_count(name, raw)
        rows = self._model.movies.to_rows(raw)
        for position, row in enumerate(rows):
            if row == 0:
                self._note(job, each.format(position), raw[position], self._words.one)
        return rows

    def _ratings(self, job: Job) -> dict[int, float]:
        """Ratings by movie row, those of unknown movies left out."""
        given = job.request.ratings
        rows = self._rows(job, "ratings", [rating.id for rating in given], f"ratings[{{}}].{self._words.id}")
        ratings = [self._rating(rating, position) for position, rating in enumerate(given)]
        return {row: rating for row, rating in zip(rows, ratings, strict=True) if row}

    def _rating(self, given: GivenRating, position: int) -> float:
        scale, rating, name = self._model.metadata.scale, given.rating, f"ratings[{position}].rating"
        if scale is None:
            if rating is not None:
                raise InvalidRequest(f"{name} is {rating:g}: the log of this model has no ratings; leave it out")
            return LIKE
        if rating is None:
            raise InvalidRequest(f"{name} is missing: give a rating from {scale[0]:g} to {scale[1]:g}")
        if not scale[0] <= rating <= scale[1]:
            raise InvalidRequest(f"{name} is {rating:g}: give a rating from {scale[0]:g} to {scale[1]:g}")
        return rating

    def _features(self, job: Job, side: str) -> Encoded:
        given, schema = getattr(job.request, side), self._schemas[side]
        side = self._words.field if side == "movie" else side
        for name in given:
            if name not in schema.names:
                raise InvalidRequest(f"{side}.{name} is not a side feature of this model: {self._known_features()}")
        try:
            indices, weights, unknown = schema.encode(given)
        except FeatureError as error:
            raise InvalidRequest(f"{side}.{error.name} is {shortened(error.value)}: give {error.expected}") from None
        for name in unknown:
            self._note(job, f"{side}.{name}", given[name], "value")
        return indices, weights

    def _known_features(self) -> str:
        if not any(schema.fields for schema in self._schemas.values()):
            return "it uses ids only"
        sides = {"user": "a user", "movie": self._words.a}
        known = (f"of {sides[side]} {', '.join(of.names) or 'none'}" for side, of in self._schemas.items())
        return f"it knows {'; '.join(known)}"

    def _where(self, job: Job) -> Where:
        """All conditions of a request; ``genres`` is one on the column of that name."""
        request = job.request
        given = {} if request.where is UNSET else request.where
        if size(given) > self._limits.max_ids:
            raise TooLarge(f"where has {size(given)} values: send at most {self._limits.max_ids}")
        if request.genres is not UNSET:
            if "genres" in given:
                raise InvalidRequest("genres and where.genres both say which genres: give one of them")
            if "genres" not in self._model.catalogue.columns:
                raise InvalidRequest(
                    f"genres is {shortened(request.genres)}: {self._words.many} have no genres here; narrow the list "
                    "by where, or leave genres out"
                )
            self._check_count("genres", request.genres)
            given = given | {"genres": request.genres}
        if not given:
            return ()
        where, unknown = conditions(given, self._model.catalogue.columns)
        for field, text in unknown:
            is_genre = request.genres is not UNSET and field.startswith("where.genres[")
            self._note(job, field.removeprefix("where.") if is_genre else field, text, "genre" if is_genre else "value")
        return where

    def _beyond(self, kind: str, name: str, value: float) -> float:
        if value and kind == "recommend" and self._model.ranker is None:
            raise InvalidRequest(
                f"{name} is {value:g}: this archive has no list ranker, so it orders lists by the score alone; "
                "leave it out, or train the model again"
            )
        return value

    def _note(self, job: Job, name: str, raw: Any, noun: str, fallback: bool = True) -> None:
        """Name something unknown in the answer. Raises UnknownId where the request (or its kind) wants an error."""
        if not fallback or job.request.on_unknown == "error":
            raise UnknownId(f"{name} is {shortened(raw)}, which is no {noun} that this model knows: check it")
        job.unknown.append(name)

    def _check_count(self, name: str, values: Sequence[Any]) -> None:
        if len(values) > self._limits.max_ids:
            raise TooLarge(f"{name} has {len(values)} entries: send at most {self._limits.max_ids}")
