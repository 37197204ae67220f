"""What one batch may take: TorchServe ends a worker that outlasts the response timeout, and all that waits there."""

import time
from collections.abc import Iterator, Sequence

from .errors import Overloaded
from .jobs import Job, Limits

JOBS_AT_A_TIME = 64


class Budget:
    """The time and the bytes of a batch's answers, from now on."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bytes = 0
        self._started = time.monotonic()

    def take(self, requests: Sequence[Sequence[Job]]) -> Iterator[Sequence[Job]]:
        """Some jobs at a time, those of small requests first. What is left when the budget is spent is refused."""
        jobs = [job for some in sorted(requests, key=len) for job in some]
        for at in range(0, len(jobs), JOBS_AT_A_TIME):
            if self._spent():
                for job in jobs[at:]:
                    job.outcome = Overloaded(
                        f"this request came with more than is answered at once ({self.limits.max_batch_seconds:g} s, "
                        f"{self.limits.max_batch_bytes:,} bytes): ask again, for fewer entries or instances"
                    )
                return
            yield jobs[at : at + JOBS_AT_A_TIME]

    def _spent(self) -> bool:
        late = time.monotonic() - self._started > self.limits.max_batch_seconds
        return late or self.bytes > self.limits.max_batch_bytes
