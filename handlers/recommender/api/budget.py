"""The time and the bytes that one batch may take. A host ends a worker that takes longer than its response timeout."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

from msgspec import UNSET

from .errors import Overloaded, TooLarge
from .job import Job
from .limits import Limits
from .requests import Id
from .where import size

CLOCK_INTERVAL = 64  # plain requests between two looks at the clock


class Budget:
    """The time and the bytes of a batch's answers, from now on.

    ``stored``: how many ratings the log has of a user.
    """

    def __init__(self, limits: Limits, stored: Callable[[Id], int]) -> None:
        self._limits, self._stored = limits, stored
        self._started = time.monotonic()

    def groups(self, bodies: Sequence[Sequence[Job]]) -> Iterator[Sequence[Job]]:
        """Groups of jobs that are not done, each to be given an answer or an error: the bodies take turns.

        What is left when the budget is spent is refused; so is the rest of a body whose answer is too large.
        """
        turns = (enumerate(turn) for turn in zip_longest(*bodies))
        queue = deque((body, job) for turn in turns for body, job in turn if job is not None and not job.is_done)
        sizes = [0] * len(bodies)
        while queue:
            if self._is_spent(sizes):
                for _, job in queue:
                    job.error = self._overloaded()
                return
            group: list[tuple[int, Job]] = []
            weight = 0.0
            while queue and weight < CLOCK_INTERVAL:
                body, job = queue.popleft()
                if sizes[body] > self._limits.max_answer_bytes:
                    job.error = TooLarge("the answers before this one are too large: ask for fewer entries at once")
                else:
                    group.append((body, job))
                    weight += self._weight(job)
            yield [job for _, job in group]
            for body, job in group:
                sizes[body] += len(job.answer or b"")

    def _is_spent(self, sizes: Sequence[int]) -> bool:
        late = time.monotonic() - self._started > self._limits.max_batch_seconds
        # A body that is too large is refused as a whole, so it sends nothing.
        sent = sum(size for size in sizes if size <= self._limits.max_answer_bytes)
        return late or sent > self._limits.max_batch_bytes

    def _weight(self, job: Job) -> float:
        """About how many plain requests take as long."""
        request = job.request
        given = (request.ratings, request.candidates, request.exclude)
        ids = sum(len(values) for values in given if values is not UNSET)
        ids += 0 if request.where is UNSET else size(request.where)
        if UNSET not in (request.user_id, request.ratings):
            ids += self._stored(request.user_id)  # fresh ratings are folded in with these
        return (
            (1 + ids / 250)
            * (16 if request.explain is True else 1)
            * (8 if request.diversity else 1)
            * (2 if request.explore else 1)
        )

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"what came at once takes more than {self._limits.max_batch_seconds:g} s or has more than "
            f"{self._limits.max_batch_bytes:,} bytes of answers: ask this again, for less at once"
        )
