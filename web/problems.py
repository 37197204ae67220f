"""Errors in TorchServe's own shape, each with a sentence that a person can act on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from starlette.responses import JSONResponse


class Problem(Exception):
    """A request that gets no answer. ``str()`` of it is what the page shows."""

    code: ClassVar[int] = 500
    type: ClassVar[str] = "InternalError"

    def response(self) -> JSONResponse:
        """The HTTP answer."""
        headers = {"Retry-After": "1"} if self.code in (429, 503) else None
        message = str(self).encode(errors="replace").decode()  # it may quote half a character of the request's
        return JSONResponse({"code": self.code, "type": self.type, "message": message}, self.code, headers)


class InvalidRequest(Problem):
    """The request is not one that the gateway passes on."""

    code = 400
    type = "InvalidRequest"


class NotFound(Problem):
    """No such address."""

    code = 404
    type = "NotFound"


class NotRegistered(Problem):
    """TorchServe is up and does not have the model."""

    code = 404
    type = "ModelNotRegistered"


class NoUser(Problem):
    """No user could be found."""

    code = 404
    type = "NoUser"


class TooLarge(Problem):
    """The body is over the limit."""

    code = 413
    type = "TooLarge"


class TooManyRequests(Problem):
    """One address asks too often."""

    code = 429
    type = "TooManyRequests"


class ServerFault(Problem):
    """TorchServe answered with an error of its own."""

    code = 502
    type = "ServerFault"


class ServerDown(Problem):
    """TorchServe cannot be reached."""

    code = 503
    type = "ServerDown"


class ServerBusy(Problem):
    """TorchServe has no worker free."""

    code = 503
    type = "ServerBusy"


class StoreUnavailable(Problem):
    """The store of events cannot be written."""

    code = 503
    type = "StoreDown"


class ServerSlow(Problem):
    """TorchServe did not answer in time."""

    code = 504
    type = "ServerSlow"


# By the type of an error of pydantic's.
_IN_OUR_WORDS = {"extra_forbidden": "this address takes no such field, leave it out"}


def too_large(most: int) -> TooLarge:
    """The problem with a request whose body has more than so many bytes."""
    return TooLarge(f"The request is too large: send at most {most} bytes.")


def invalid(errors: Sequence[Any]) -> InvalidRequest:
    """The problem with a request, of which pydantic has found these ``errors``; the first one is named."""
    first = errors[0]
    parts = (part for part in first["loc"] if part not in ("body", "query"))
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
    if first["type"] == "missing":
        what = where.replace("movie_id", "movie_id (or item_id)") or "The body"
        return InvalidRequest(f"{what} is missing: give it.")
    message = _IN_OUR_WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    return InvalidRequest(f"{where[:200] or 'The request'}{_shown(first['input'])}: {message}")


def _shown(value: Any) -> str:
    """What was given, where it is short enough for a message."""
    text = "" if isinstance(value, dict | list | bytes) else json.dumps(value, default=lambda _: "", ensure_ascii=False)
    return f" is {text}" if 0 < len(text) <= 60 else ""
