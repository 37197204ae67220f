"""Errors in TorchServe's own shape, each with a sentence that a person can act on."""

from __future__ import annotations

from typing import ClassVar

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
