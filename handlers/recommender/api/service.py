"""The one way from a batch of bodies to their answers."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from ..model.model import Model
from . import metrics
from .answers import Answer, Presenter, answer_of, encode
from .budget import Budget
from .decode import Body, DecodedBody, decode
from .description import description_of
from .errors import InternalError, RequestError
from .job import Job
from .limits import Limits
from .lookup import Lookup
from .metrics import BatchCounts, Tally
from .requests import Id

logger = logging.getLogger(__name__)

Shortcut = Callable[[Sequence[Body], BatchCounts], list[Answer | None]]


class Service:
    """Answers requests from one model. It knows no host.

    ``shortcut``: gives the answers that need not go the whole way, None in the place of all others (fast/ sets it).
    """

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        self.tally = Tally(*model.metadata.score_range)
        self.shortcut: Shortcut = lambda bodies, counts: [None] * len(bodies)
        self._lookup = Lookup(model, limits)
        self._present = Presenter(model)
        # What runs the jobs of each kind of request, and sets their results.
        self._kinds: dict[str, Callable[[Sequence[Job]], None]] = {
            "score": self._score,
            "recommend": self._recommend,
            "similar": self._similar,
            "browse": self._browse,
            "history": self._history,
            "catalogue": self._catalogue,
        }

    def answer(self, bodies: Sequence[Body]) -> list[Answer]:
        """The answers to a batch, in order. An error is the answer of its own body (or instance) and of no other."""
        counts = BatchCounts()
        answers = self.shortcut(bodies, counts)
        rest = [position for position, answer in enumerate(answers) if answer is None]
        decoded = [decode(bodies[position], self.limits.max_instances) for position in rest]
        counts.lap(metrics.DECODE_TIME)
        # Groups of jobs that fit into the budget; the budget sets the error of all others.
        for jobs in Budget(self.limits, self._stored).groups([body.jobs for body in decoded]):
            for job in jobs:
                attempt(self._lookup.resolve, job)
            counts.lap(metrics.LOOKUP_TIME)
            self._run(jobs)
            counts.lap(metrics.FORWARD_TIME)
            for job in jobs:
                attempt(_encode, job)
            _count_answered(jobs, counts)
            for job in jobs:
                job.result = None  # its JSON needs a tenth of the memory
            counts.lap(metrics.ENCODE_TIME)
        for position, body in zip(rest, decoded, strict=True):
            answers[position] = self._answer_of(body)
            _count_errors(body.jobs, answers[position].code, counts)
        counts.lap(metrics.ENCODE_TIME)
        counts.add(metrics.BATCHES)
        counts.add(metrics.REQUESTS, len(bodies))
        self.tally.add(counts)
        return answers

    def describe(self) -> dict[str, Any]:
        """What the model is: for ``GET /models/{name}?customized=true``."""
        return description_of(self.model, self.limits)

    def warm_up(self) -> None:
        """Answer what will be asked most, at the sizes that occur: first calls compile, and load kernels on a GPU."""
        user, movie = self.model.users.ids[-1], self.model.movies.ids[-1]
        pair, of_list = {"user_id": user, self.model.metadata.words.id: movie}, {"user_id": user}
        many = {"instances": [pair] * self.limits.max_instances}
        lists = min(64, self.model.lists_at_once)  # more are made in blocks of so many, which are alike
        for request, sizes in ((pair, (1, 1, 1, 64, 64)), (of_list, (1, 1, 1, lists, lists)), (many, (1, 1, 1))):
            for size in sizes:
                self.answer([encode(request)] * size)
        self.tally.take()

    # --- steps

    def _stored(self, user_id: Id) -> int:
        return len(self.model.seen(self.model.users.row(user_id)))

    def _run(self, jobs: Sequence[Job]) -> None:
        """Give each job its result, those of a kind together. After a fault each runs again alone."""
        for kind, run in self._kinds.items():
            group = [job for job in jobs if job.kind == kind and job.error is None]
            try:
                if group:
                    run(group)
            except Exception:
                logger.exception("a group of %d %s requests failed", len(group), kind)
                for job in group:
                    attempt(lambda job, run=run: run([job]), job)

    def _answer_of(self, body: DecodedBody) -> Answer:
        if body.many:
            places = [job.answer if job.error is None else {"error": job.error.body()} for job in body.jobs]
            return answer_of({"predictions": places}, self.limits.max_answer_bytes)
        (job,) = body.jobs
        return answer_of(job.answer if job.error is None else job.error, self.limits.max_answer_bytes)

    # --- the kinds of requests

    def _score(self, jobs: Sequence[Job]) -> None:
        scores = self.model.score([job.user for job in jobs], [job.movie for job in jobs])
        for job, score in zip(jobs, scores.tolist(), strict=True):
            job.result = {**self._present.user(job.request), **self._present.movie(job.request), "score": score}

    def _recommend(self, jobs: Sequence[Job]) -> None:
        users, selections = [job.user for job in jobs], [job.selection for job in jobs]
        lists = self.model.recommend(users, selections, [job.request.explain is True for job in jobs])
        for job, ranked in zip(jobs, lists, strict=True):
            job.result = self._present.user(job.request) | {"recommendations": self._present.entries(ranked)}

    def _similar(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            ranked = self.model.similar(job.movie, job.selection)
            job.result = self._present.movie(job.request) | {"similar": self._present.entries(ranked)}

    def _browse(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.result = {"recommendations": self._present.entries(self.model.browse(job.selection))}

    def _history(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            job.result = self._present.user(job.request) | {"history": self._present.history(job.user.row)}

    def _catalogue(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            offset = 0 if job.request.offset is UNSET else job.request.offset
            page = self._present.catalogue(offset, job.selection.k)
            job.result = {"catalogue": page, "total": len(self.model.catalogue)}


def attempt(step: Callable[[Job], None], job: Job) -> None:
    """Take a step of one job, unless an earlier one failed. An exception becomes the error of this job alone."""
    if job.error is not None:
        return
    try:
        step(job)
    except RequestError as error:
        job.error = error
    except Exception:
        logger.exception("a %s request failed", job.kind or "new")
        job.error = InternalError("the request could not be answered: the worker's log says why")


def _encode(job: Job) -> None:
    job.answer = msgspec.Raw(encode(job.result | ({"unknown": job.unknown} if job.unknown else {})))


def _count_answered(jobs: Sequence[Job], counts: BatchCounts) -> None:
    answered = [job for job in jobs if job.answer is not None]
    counts.add(metrics.UNKNOWN_IDS, sum(len(job.unknown) for job in answered))
    ids = {"user_id", "movie_id", "item_id"}
    counts.add(metrics.FALLBACKS, sum(1 for job in answered if not ids.isdisjoint(job.unknown)))
    counts.scores += [np.array([job.result["score"]]) for job in answered if job.kind == "score"]


def _count_errors(jobs: Sequence[Job], code: int, counts: BatchCounts) -> None:
    """Count the jobs of a body whose answer has a status code. A body that is refused has no answer to any of them."""
    counts.add(metrics.INSTANCES, len(jobs))
    for error_code in [job.error.code for job in jobs if job.error] if code == 200 else [code] * len(jobs):
        counts.add(metrics.ERRORS, label=str(error_code))
