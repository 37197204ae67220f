"""What the server itself answers, in the shape of the contract and with TorchServe's names where it has one."""

from __future__ import annotations

from typing import Any, ClassVar

CLOSE = ((b"connection", b"close"),)  # where bytes of the request may be left


class HostError(Exception):
    """An error of the server, not of an archive."""

    code: ClassVar[int] = 400
    type: ClassVar[str] = "InvalidRequest"
    headers: ClassVar[tuple[tuple[bytes, bytes], ...]] = ()

    def body(self) -> dict[str, Any]:
        """The error as the contract has it."""
        return {"code": self.code, "type": self.type, "message": str(self)}


class BadRequest(HostError):
    """A request that cannot be read."""


class NoSuchPath(HostError):
    """A path that there is not."""

    code = 404
    type = "ResourceNotFoundException"


class NoSuchModel(HostError):
    """A model that is not served."""

    code = 404
    type = "ModelNotFoundException"


class NoSuchVersion(HostError):
    """A version that is not served."""

    code = 404
    type = "ModelVersionNotFoundException"


class WrongMethod(HostError):
    """A path that takes another method."""

    code = 405
    type = "MethodNotAllowedException"


class Conflict(HostError):
    """A version that is served already."""

    code = 409
    type = "ConflictStatusException"


class BodyTooLarge(HostError):
    """A body beyond the server's limit."""

    code = 413
    type = "TooLarge"
    headers = CLOSE


class NoUpgrade(BadRequest):
    """A request with a body that asks for another protocol: its body cannot be read."""

    headers = CLOSE


class NotAnswered(HostError):
    """A fault of the server."""

    code = 500
    type = "InternalError"


class QueueFull(HostError):
    """More requests wait than can be answered in time."""

    code = 503
    type = "ServiceUnavailableException"
