"""The one request flow: a batch of mixed requests in, their answers out, one forward pass of each kind."""

import logging
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import torch
from msgspec import UNSET
from torch import Tensor

from ..fast.pairs import Pair, PairScorer, read
from ..hosts.torchserve.metrics import Batch, Tally
from ..model import people
from ..model.archive import Archive
from ..model.lists import Lists
from .budget import Budget, Question
from .contract import Answer, parse
from .errors import InternalError, RequestError, TooLarge
from .jobs import Job, Limits, Resolver

encode = msgspec.json.Encoder().encode

logger = logging.getLogger(__name__)


class Service:
    """Answers requests from one archive."""

    def __init__(self, archive: Archive, limits: Limits, device: torch.device) -> None:
        self.archive = archive
        self.limits = limits
        self.device = device
        self.resolver = Resolver(archive, limits)
        self.pairs = PairScorer(archive, device)
        self.lists = Lists(archive, limits, device, self.pairs.raw)
        self.some_users = archive.some_users(limits.named_users)
        self.tally = Tally(*archive.metadata.score_range)

    def describe(self) -> dict[str, Any]:
        """What the archive is: for ``GET /models/{name}?customized=true``."""
        archive, metadata = self.archive, self.archive.metadata
        return {
            "model": metadata.model,
            "target": metadata.target,
            "score": metadata.meaning,
            "scale": metadata.scale,
            "data": msgspec.to_builtins(metadata.data),
            "users": len(archive.users) - 1,
            "movies": len(archive.movies) - 1,
            "some_users": self.some_users,
            "user_features": [one.name for one in metadata.user_features.fields],
            "movie_features": [one.name for one in metadata.movie_features.fields],
            "options": ["explain"]
            + (["user"] if metadata.user_features.fields else [])
            + (["movie"] if metadata.movie_features.fields else []),
            "limits": msgspec.to_builtins(self.limits),
            "metrics": archive.metrics,
            "sha256": archive.sha256,
        }

    def warm_up(self) -> None:
        """Answer what will be asked most, at the sizes that occur: first calls compile, and load kernels on a GPU."""
        user, movie = self.archive.users.ids[-1], self.archive.movies.ids[-1]
        pair, of_list = {"user_id": user, "movie_id": movie}, {"user_id": user}
        many = {"instances": [pair] * self.limits.max_instances}
        for question, sizes in ((pair, (1, 1, 1, 64, 64)), (of_list, (1, 1, 1, 64, 64)), (many, (1, 1, 1))):
            for size in sizes:
                self.answer([{"body": encode(question)}] * size)
        self.tally.take()

    def answer(self, slots: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """The answers to a batch, in order. An error is the answer of its own slot (or instance) and of no other."""
        batch = Batch()
        answers = self._answer_pairs(slots, batch)
        rest = [position for position, answer in enumerate(answers) if answer is None]
        if rest:
            for position, answer in zip(rest, self._answer_any([slots[one] for one in rest], batch), strict=True):
                answers[position] = answer
        batch.count("Batches")
        batch.count("Requests", len(slots))
        self.tally.add(batch)
        return answers

    def _answer_pairs(self, slots: Sequence[Mapping[str, Any]], batch: Batch) -> list[Answer | None]:
        """The answers to what is pairs alone, None in the place of everything else."""
        asked = list(map(read, slots))
        single = set(map(type, asked)) == {Pair}  # what most batches are
        groups = [] if single else [self._group(one) for one in asked]
        pairs = asked if single else [pair for group in groups for pair in group]
        batch.lap("Decode")
        if not pairs:
            return [None] * len(slots)
        try:
            scored = iter(self.pairs.score(pairs, batch))
            if single:
                answers: list[Answer | None] = list(map(self._encoded, scored))
            else:
                answers = []
                for one, group in zip(asked, groups, strict=True):
                    some = list(islice(scored, len(group)))
                    outcome = some[0] if isinstance(one, Pair) else {"predictions": some}
                    answers.append(self._encoded(outcome) if some else None)
                    if some and answers[-1].code != 200:  # refused as a whole
                        batch.count("Errors", len(some), str(answers[-1].code))
        except Exception:
            logger.exception("a batch of %d pairs failed", len(pairs))
            return [None] * len(slots)
        batch.lap("Encode")
        return answers

    def _group(self, one: Pair | list[Pair] | None) -> list[Pair]:
        """The pairs of one body; none where instances are too many, which the general flow answers."""
        if isinstance(one, Pair):
            return [one]
        return one if one and len(one) <= self.limits.max_instances else []

    @torch.no_grad()
    def _answer_any(self, slots: Sequence[Mapping[str, Any]], batch: Batch) -> list[Answer]:
        budget = Budget(self.limits)
        bodies = [self._parse(slot) for slot in slots]
        batch.lap("Decode")
        for some in budget.take([questions for questions, _ in bodies]):
            self._answer_questions(some, batch)
        answers = [self._to_answer([one.outcome for one in questions], many) for questions, many in bodies]
        batch.lap("Encode")
        for (questions, _), answer in zip(bodies, answers, strict=True):
            batch.count("Instances", len(questions))
            failed = [one.outcome for one in questions if isinstance(one.outcome, RequestError)]
            # A body that is refused as a whole leaves each of its questions without an answer.
            for code in [one.code for one in failed] if answer.code == 200 else [answer.code] * len(questions):
                batch.count("Errors", label=str(code))
        return answers

    def _parse(self, slot: Mapping[str, Any]) -> tuple[list[Question], bool]:
        try:
            requests, many = parse(slot, self.limits.max_instances)
        except RequestError as error:
            return [Question(None, error)], False
        return [Question(None, one) if isinstance(one, RequestError) else Question(one) for one in requests], many

    def _answer_questions(self, questions: Sequence[Question], batch: Batch) -> None:
        """Give each question its outcome. As JSON it takes a tenth of the memory."""
        jobs = {}
        for question in questions:
            try:
                jobs[question] = self.resolver.resolve(question.request)
            except RequestError as error:
                question.outcome = error
            except Exception:
                logger.exception("a request could not be looked up")
                question.outcome = _fault()
        batch.lap("Lookup")
        self._run(list(jobs.values()))
        batch.lap("Forward")
        for question, job in jobs.items():
            try:
                question.outcome = msgspec.Raw(encode(job.answer)) if job.answer else _fault()
            except Exception:
                logger.exception("an answer could not be written")
                question.outcome = _fault()
        batch.lap("Encode")
        answered = [job for job in jobs.values() if job.answer]
        batch.count("UnknownIds", sum(len(job.unknown) for job in answered))
        batch.count("Fallbacks", sum(1 for job in answered if not {"user_id", "movie_id"}.isdisjoint(job.unknown)))
        batch.scores += [np.array([job.answer["score"]]) for job in answered if job.kind == "score"]

    def _run(self, jobs: Sequence[Job]) -> None:
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

    # --- who and which: encodings

    def _encode_users(self, jobs: Sequence[Job]) -> Tensor:
        """[jobs, D]: users of the log, the unknown one, and people described by the request."""
        return people.encode(jobs, self.archive.arrays["user_encodings"], self._encode_described)

    def _encode_described(self, jobs: Sequence[Job]) -> Tensor:
        """[jobs, D]: people who come with side features, ratings, or both."""
        network = self.archive.network
        features, weights = people.features_of(self.archive, jobs, self.device)
        own = network.own_users(torch.zeros(len(jobs), dtype=torch.int64, device=self.device))
        for position, job in enumerate(jobs):
            if job.ratings:
                own[position] = self.archive.fold_in(features[position], weights[position], job.ratings).own
        return network.encode_users(own, features, weights)

    def _encode_new_movie(self, features: tuple[list[int], list[float]]) -> Tensor:
        """[D]: a movie described by its side features alone."""
        network = self.archive.network
        indices, weights = (torch.tensor([values], device=self.device) for values in features)
        row = torch.zeros(1, dtype=torch.int64, device=self.device)
        return network.encode_items(network.own_items(row), indices, weights)[0]

    def _to_answer(self, outcomes: list[msgspec.Raw | RequestError | None], many: bool) -> Answer:
        if many:
            predictions = [{"error": one.body()} if isinstance(one, RequestError) else one for one in outcomes]
            outcome: Any = {"predictions": predictions}
        else:
            (outcome,) = outcomes
        return _refused(outcome) if isinstance(outcome, RequestError) else self._encoded(outcome)

    def _encoded(self, outcome: Any) -> Answer:
        body = encode(outcome)
        size, most = len(body), self.limits.max_answer_bytes
        if size <= most:
            return Answer(200, "", body)
        return _refused(
            TooLarge(f"the answer has {size:,} bytes, {most:,} are the most: ask for fewer entries at once")
        )

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
        raw = self.pairs.raw(users, items)
        for job, score in zip(jobs, self.archive.inverse_link(raw).tolist(), strict=True):
            job.finish(**self._who(job), **self._which(job), score=score)

    def _recommend(self, jobs: list[Job], users: Tensor) -> None:
        for job, entries in zip(jobs, self.lists.recommended(jobs, users), strict=True):
            job.finish(**self._who(job), recommendations=entries)

    def _similar(self, job: Job) -> None:
        described = None
        if job.movie_features:
            described = self._encode_new_movie(job.movie_features)[: self.archive.metadata.width]
        job.finish(**self._which(job), similar=self.lists.similar(job, described))

    def _history(self, job: Job) -> None:
        seen = zip(self.archive.seen(job.user_row).tolist(), self.archive.seen_ratings(job.user_row).tolist())
        job.finish(**self._who(job), history=[self.archive.catalogue.rated(row, rating) for row, rating in seen])

    def _catalogue(self, job: Job) -> None:
        catalogue = self.archive.catalogue
        offset = 0 if job.request.offset is UNSET else job.request.offset
        job.finish(catalogue=catalogue.page(offset, self.lists.length(job)), total=len(catalogue))

    # --- parts of answers

    def _who(self, job: Job) -> dict[str, Any]:
        raw = job.request.user_id
        return {} if raw is UNSET else {"user_id": self.archive.users.canonical(raw)}

    def _which(self, job: Job) -> dict[str, Any]:
        if job.request.movie is not UNSET:
            return {"movie": job.request.movie}
        return {"movie_id": self.archive.movies.canonical(job.request.movie_id)}


def _refused(error: RequestError) -> Answer:
    return Answer(error.code, error.type, encode(error.body()))


def _fault() -> InternalError:
    return InternalError("the request could not be answered: the worker's log says why")
