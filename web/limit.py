"""A limit on the events of one user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from feedback.store import Event

from .problems import TooManyRequests


class UserLimit:
    """At most so many events of one user, so that nobody can fill the store or lead the next training astray."""

    def __init__(self, rate: str) -> None:
        """``rate`` as the library writes it, "1000/hour;5000/day"."""
        self._rates = parse_many(rate)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def take(self, events: Sequence[Event]) -> None:
        """Count the events. Raises TooManyRequests, and counts none, where those of one user are too many."""
        counts = Counter(event.user_id for event in events)
        for user, count in counts.items():
            for rate in self._rates:
                if not self._limiter.test(rate, user, cost=count):
                    place = next(place for place, event in enumerate(events) if event.user_id == user)
                    raise TooManyRequests(
                        f"events[{place}].user_id is {user[:40]}: more than {rate.amount} events of this user in "
                        f"{rate.multiples} {rate.GRANULARITY.name}(s). Send them later."
                    )
        for user, count in counts.items():
            for rate in self._rates:
                self._limiter.hit(rate, user, cost=count)
