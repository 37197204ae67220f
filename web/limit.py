"""Limits on the requests of one address, and on the events of one user."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence

from limits import RateLimitItem, parse

from feedback.store import Event

from .problems import TooManyRequests


class Window:
    """Counts by key, at most as many as a rate allows; all begin anew after each window of time.

    So memory is that of the keys of one window. The library's own storage looks at all of its counts every 10 ms: with
    60,000 keys a count took 0.2 ms, and takes 3 µs here.
    """

    def __init__(self, rate: RateLimitItem) -> None:
        """Of one rate."""
        self.rate = rate
        self._counts: Counter[str] = Counter()
        self._until = 0.0

    def take(self, wanted: Mapping[str, int]) -> str | None:
        """Count what is wanted by each key; or count nothing, and name a key that has no room for it."""
        if time.monotonic() >= self._until:
            self._counts.clear()
            self._until = time.monotonic() + self.rate.get_expiry()
        for key, count in wanted.items():
            if self._counts[key] + count > self.rate.amount:
                return key
        self._counts.update(wanted)
        return None

    def give_back(self, taken: Mapping[str, int]) -> None:
        """Count no more what was taken."""
        for key, count in taken.items():
            self._counts[key] = max(0, self._counts[key] - count)  # a window may have begun meanwhile


class UserLimit:
    """At most so many events of one user, so that nobody can fill the store or lead the next training astray."""

    def __init__(self, rate: str) -> None:
        """``rate`` as the library writes it, "1000/hour". Raises ValueError for what is none."""
        self._window = Window(parse(rate))

    def take(self, events: Sequence[Event]) -> None:
        """Count the events. Raises TooManyRequests, and counts none, where those of one user are too many."""
        user, rate = self._window.take(_by_user(events)), self._window.rate
        if user is not None:
            place = next(place for place, event in enumerate(events) if event.user_id == user)
            raise TooManyRequests(
                f"events[{place}].user_id is {user[:40]}: more than {rate.amount} events of this user in "
                f"{rate.multiples} {rate.GRANULARITY.name}. Send them later."
            )

    def give_back(self, events: Sequence[Event]) -> None:
        """Count no more what was not stored: it is sent again."""
        self._window.give_back(_by_user(events))


def _by_user(events: Sequence[Event]) -> Counter[str]:
    return Counter(event.user_id for event in events)
