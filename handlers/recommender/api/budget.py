"""What one batch may take: TorchServe ends a worker that outlasts the response timeout, and all that waits there."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import msgspec
from msgspec import UNSET

from .contract import Request
from .errors import Overloaded, RequestError, TooLarge
from .jobs import Limits

AT_A_TIME = 64  # plain questions between two looks at the clock


@dataclass(eq=False)
class Question:
    """One of a body's questions. ``outcome`` is the answer as JSON, or why there is none."""

    request: Request | None
    outcome: msgspec.Raw | RequestError | None = None


class Budget:
    """The time and the bytes of a batch's answers, from now on."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._started = time.monotonic()

    def take(self, bodies: Sequence[Sequence[Question]]) -> Iterator[Sequence[Question]]:
        """Some questions at a time that have no outcome yet, each to be given one: the bodies take turns.

        What is left when the budget is spent is refused; so is what is left of a body whose answer is too large.
        """
        turns = (enumerate(some) for some in zip_longest(*bodies))
        queue = deque((at, one) for some in turns for at, one in some if one is not None and one.outcome is None)
        sizes = [0] * len(bodies)
        while queue:
            if self._spent(sizes):
                for _, one in queue:
                    one.outcome = Overloaded(
                        f"what came at once takes more than {self.limits.max_batch_seconds:g} s or has more than "
                        f"{self.limits.max_batch_bytes:,} bytes of answers: ask this again, for less at once"
                    )
                return
            some: list[tuple[int, Question]] = []
            weight = 0.0
            while queue and weight < AT_A_TIME:
                at, one = queue.popleft()
                if sizes[at] > self.limits.max_answer_bytes:
                    one.outcome = TooLarge("the answers before this one are too large: ask for fewer entries at once")
                else:
                    some.append((at, one))
                    weight += _weight(one)
            yield [one for _, one in some]
            for at, one in some:
                sizes[at] += len(one.outcome) if isinstance(one.outcome, msgspec.Raw) else 0

    def _spent(self, sizes: Sequence[int]) -> bool:
        late = time.monotonic() - self._started > self.limits.max_batch_seconds
        sent = sum(size for size in sizes if size <= self.limits.max_answer_bytes)  # a larger one is refused as a whole
        return late or sent > self.limits.max_batch_bytes


def _weight(question: Question) -> float:
    """About how many plain questions take as long."""
    request = question.request
    given = (request.ratings, request.candidates, request.exclude) if request else ()
    ids = sum(len(some) for some in given if some is not UNSET)
    return (1 + ids / 250) * (16 if request and request.explain is True else 1)
