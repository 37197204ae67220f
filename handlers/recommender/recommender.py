"""The one request flow: a batch of mixed requests in, their answers out, one forward pass of each kind."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from msgspec import UNSET
from torch import Tensor

from .archive import Archive
from .catalogue import top
from .contract import Id, Request, kind_of, parse
from .errors import InternalError, InvalidRequest, RequestError, TooLarge, UnknownId, shortened
from .features import FeatureSchema
from .foldin import fold_in
from .vocabulary import Vocabulary

LIKE = math.inf  # the rating that a like stands for: above any threshold

logger = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much one request may ask for; set under ``handler:`` in an archive's ``model-config.yaml``."""

    max_k: int = 1000
    max_instances: int = 1000
    max_ids: int = 10_000


class Answer(NamedTuple):
    """One slot's answer: an HTTP status, its phrase and a JSON body."""

    code: int
    phrase: str
    body: bytes


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


class Recommender:
    """Answers requests from one archive."""

    def __init__(self, archive: Archive, limits: Limits, device: torch.device) -> None:
        self.archive = archive
        self.limits = limits
        self.device = device

    def describe(self) -> dict[str, Any]:
        """What the archive is: for ``GET /models/{name}?customized=true``."""
        archive, metadata = self.archive, self.archive.metadata
        return {
            "model": metadata.model,
            "target": metadata.target,
            "score": (
                f"rating from {metadata.scale[0]:g} to {metadata.scale[1]:g}"
                if metadata.target == "rating"
                else f"probability of a rating above {metadata.like_above:g}"
            ),
            "data": msgspec.to_builtins(metadata.data),
            "users": len(archive.users) - 1,
            "movies": len(archive.movies) - 1,
            "user_features": [one.name for one in metadata.user_features.fields],
            "movie_features": [one.name for one in metadata.movie_features.fields],
            "limits": msgspec.to_builtins(self.limits),
            "metrics": archive.metrics,
            "sha256": archive.sha256,
        }

    @torch.no_grad()
    def answer(self, slots: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """The answers to a batch, in order. An error is the answer of its own slot (or instance) and of no other."""
        parsed = [self._parse(slot) for slot in slots]
        self._run([one for ones, _ in parsed for one in ones if isinstance(one, Job)])
        return [_to_answer([_outcome(one) for one in ones], many) for ones, many in parsed]

    def _parse(self, slot: Mapping[str, Any]) -> tuple[list[Job | RequestError], bool]:
        try:
            requests, many = parse(slot, self.limits.max_instances)
        except RequestError as error:
            return [error], False
        return [self._to_job(request) for request in requests], many

    def _to_job(self, request: Request | RequestError) -> Job | RequestError:
        if isinstance(request, RequestError):
            return request
        try:
            return self._resolve(Job(request, kind_of(request)))
        except RequestError as error:
            return error

    def _run(self, jobs: list[Job]) -> None:
        """Answer all jobs. After a fault of ours each runs again alone, so that only its own goes without an answer."""
        try:
            self._score_and_recommend([job for job in jobs if job.kind in ("score", "recommend")])
            for job in jobs:
                if job.kind not in ("score", "recommend"):
                    getattr(self, f"_{job.kind}")(job)
        except Exception:
            logger.exception("a batch of %d requests failed", len(jobs))
            if len(jobs) > 1:
                for job in jobs:
                    self._run([job])

    # --- from the request's ids to rows: all that can be wrong with a request is found here

    def _resolve(self, job: Job) -> Job:
        request, archive = job.request, self.archive
        if request.user_id is not UNSET:
            job.user_row = self._row(job, archive.users, "user_id")
        if request.movie_id is not UNSET:
            job.movie_row = self._row(job, archive.movies, "movie_id")
        if request.user is not UNSET:
            job.user_features = self._features(job, archive.metadata.user_features, "user")
        if request.movie is not UNSET:
            job.movie_features = self._features(job, archive.metadata.movie_features, "movie")
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
        rows = movies.to_rows([movies.canonical(one) for one in raw])
        for position, row in enumerate(rows):
            if row == 0:
                self._note(job, each.format(position), raw[position], "movie")
        return rows

    def _features(self, job: Job, schema: FeatureSchema, side: str) -> tuple[list[int], list[float]]:
        given = getattr(job.request, side)
        indices, weights, unknown = schema.encode(given, side)
        for name in unknown:
            self._note(job, f"{side}.{name}", given[name], "value")
        return indices, weights

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

    # --- who and which: encodings

    def _encode_users(self, jobs: Sequence[Job]) -> Tensor:
        """[jobs, D]: users of the log, the unknown one, and people described by the request."""
        arrays, network = self.archive.arrays, self.archive.network
        rows = torch.tensor([job.user_row for job in jobs])
        features, weights = arrays["user_features"][rows], arrays["user_weights"][rows]
        for position, job in enumerate(jobs):
            if job.user_features:
                features[position], weights[position] = map(torch.tensor, job.user_features)
        features, weights = features.to(self.device), weights.to(self.device)
        own = network.own_users(rows.to(self.device))
        for position, job in enumerate(jobs):
            if job.ratings:
                own[position] = self._fold_in(job.ratings, features[position], weights[position])
        return network.encode_users(own, features, weights)

    def _fold_in(self, ratings: Mapping[int, float], features: Tensor, weights: Tensor) -> Tensor:
        metadata, network = self.archive.metadata, self.archive.network
        items = self.archive.arrays["item_encodings"][list(ratings)]
        features, weights = features.expand(len(items), -1), weights.expand(len(items), -1)
        return fold_in(
            lambda own: network.score_pairs(network.encode_users(own, features, weights), items),
            self.archive.prior,
            torch.tensor(list(ratings.values()), device=self.device),
            metadata.like_above if metadata.target == "like" else None,
        )

    def _encode_new_movie(self, features: tuple[list[int], list[float]]) -> Tensor:
        """[D]: a movie described by its side features alone."""
        network = self.archive.network
        indices, weights = (torch.tensor([values], device=self.device) for values in features)
        row = torch.zeros(1, dtype=torch.int64, device=self.device)
        return network.encode_items(network.own_items(row), indices, weights)[0]

    # --- the kinds of requests

    def _score_and_recommend(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        users = self._encode_users(jobs)
        pairs = [position for position, job in enumerate(jobs) if job.kind == "score"]
        lists = [position for position, job in enumerate(jobs) if job.kind == "recommend"]
        if pairs:
            self._score([jobs[position] for position in pairs], users[pairs])
        if lists:
            self._recommend([jobs[position] for position in lists], users[lists])

    def _score(self, jobs: list[Job], users: Tensor) -> None:
        items = self.archive.arrays["item_encodings"][[job.movie_row for job in jobs]]
        for position, job in enumerate(jobs):
            if job.movie_features:
                items[position] = self._encode_new_movie(job.movie_features)
        raw = self.archive.network.score_pairs(users, items)
        for job, score in zip(jobs, self._on_scale(raw), strict=True):
            job.finish(**self._who(job), **self._which(job), score=score)

    def _recommend(self, jobs: list[Job], users: Tensor) -> None:
        raw = self.archive.network.score_all(users, self.archive.arrays["item_encodings"]).cpu()
        for job, scores in zip(jobs, raw, strict=True):
            seen: list[Any] = []
            if job.request.exclude_seen is not False:
                seen = [list(job.ratings), self.archive.seen(job.user_row)]
            rows = top(scores.numpy(), self._allowed(job, *seen), self._k(job))
            entries = zip(rows.tolist(), self._on_scale(scores[torch.from_numpy(rows)]), strict=True)
            job.finish(
                **self._who(job), recommendations=[self.archive.catalogue.entry(row, score) for row, score in entries]
            )

    def _similar(self, job: Job) -> None:
        directions = self.archive.arrays["item_directions"]
        if job.movie_features:
            vector = self._encode_new_movie(job.movie_features)[: self.archive.metadata.width]
            direction = torch.nn.functional.normalize(vector, dim=0)
        else:
            direction = directions[job.movie_row]
        counts = self.archive.catalogue.counts
        trust = counts / (counts + self.archive.metadata.similarity_shrinkage)
        scores = (directions @ direction).cpu().numpy() * trust
        rows = top(scores, self._allowed(job, [job.movie_row]), self._k(job)).tolist()
        entries = [self.archive.catalogue.entry(row, _rounded(scores[row])) for row in rows]
        job.finish(**self._which(job), similar=entries)

    def _history(self, job: Job) -> None:
        seen = zip(self.archive.seen(job.user_row).tolist(), self.archive.seen_ratings(job.user_row).tolist())
        job.finish(**self._who(job), history=[self.archive.catalogue.rated(row, rating) for row, rating in seen])

    def _catalogue(self, job: Job) -> None:
        catalogue = self.archive.catalogue
        offset = 0 if job.request.offset is UNSET else job.request.offset
        job.finish(catalogue=catalogue.page(offset, self._k(job)), total=len(catalogue))

    # --- parts of answers

    def _who(self, job: Job) -> dict[str, Any]:
        raw = job.request.user_id
        return {} if raw is UNSET else {"user_id": self.archive.users.canonical(raw)}

    def _which(self, job: Job) -> dict[str, Any]:
        if job.request.movie is not UNSET:
            return {"movie": job.request.movie}
        return {"movie_id": self.archive.movies.canonical(job.request.movie_id)}

    def _k(self, job: Job) -> int:
        return 10 if job.request.k is UNSET else min(job.request.k, self.limits.max_k)

    def _allowed(self, job: Job, *left_out: Any) -> np.ndarray:
        genres = None if job.request.genres is UNSET else job.request.genres
        return self.archive.catalogue.allowed(job.candidates, genres, job.exclude, *left_out)

    def _on_scale(self, raw: Tensor) -> list[float]:
        """Raw scores on the scale of the target."""
        metadata = self.archive.metadata
        scores = raw.clamp(*metadata.scale) if metadata.target == "rating" else raw.sigmoid()
        return [_rounded(score) for score in scores.tolist()]


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _outcome(one: Job | RequestError) -> dict[str, Any] | RequestError:
    if isinstance(one, RequestError):
        return one
    return one.answer or InternalError("the request could not be answered: the worker's log says why")


def _to_answer(outcomes: list[dict[str, Any] | RequestError], many: bool) -> Answer:
    if many:
        predictions = [{"error": one.body()} if isinstance(one, RequestError) else one for one in outcomes]
        return Answer(200, "", msgspec.json.encode({"predictions": predictions}))
    (outcome,) = outcomes
    if isinstance(outcome, RequestError):
        return Answer(outcome.code, outcome.type, msgspec.json.encode(outcome.body()))
    return Answer(200, "", msgspec.json.encode(outcome))
