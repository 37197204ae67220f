"""The carrier of one request between decoding and encoding."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..model.query import MovieQuery, Selection, UserQuery
from .errors import RequestError
from .requests import Request


@dataclass(eq=False)
class Job:
    """One request on the way to its answer. Each step sets its own fields, in this order.

    Decoding: ``request``. Looking up: ``kind``, ``user``, ``movie``, ``selection`` and ``unknown`` (the names of
    fields whose id or value is not known). Running: ``result``. Encoding: ``answer``, the result as JSON. ``error`` is
    set by the step that fails, and then no later step is taken.
    """

    request: Request | None = None
    error: RequestError | None = None
    kind: str = ""
    user: UserQuery = field(default_factory=UserQuery)
    movie: MovieQuery = field(default_factory=MovieQuery)
    selection: Selection = field(default_factory=Selection)
    unknown: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None
    answer: msgspec.Raw | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is an answer or an error."""
        return self.answer is not None or self.error is not None
