"""Why a request is refused: each class has its HTTP status and the name of its type."""

from typing import Any, ClassVar

import msgspec


def shortened(value: Any, limit: int = 60) -> str:
    """A value as JSON, cut to ``limit`` characters, for a message."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        try:
            text = repr(value)
        except ValueError:  # a whole number of more than 4,300 digits
            text = type(value).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


class RequestError(Exception):
    """A request that cannot be answered. The message names the field, the value and the remedy."""

    code: ClassVar[int] = 400
    type: ClassVar[str] = "InvalidRequest"

    def body(self) -> dict[str, Any]:
        """The error in TorchServe's own shape."""
        return {"code": self.code, "type": self.type, "message": str(self)}


class InvalidRequest(RequestError):
    """The request breaks the contract."""


class UnknownId(RequestError):
    """An id that the archive does not know, where no fallback was wanted or possible."""

    code = 404
    type = "UnknownId"


class TooLarge(RequestError):
    """More than the archive's limits allow in one request."""

    code = 413
    type = "TooLarge"


class Overloaded(RequestError):
    """No fault of the request alone: its batch asks for more than can be answered in time."""

    code = 503
    type = "Overloaded"


class InternalError(RequestError):
    """A fault of ours."""

    code = 500
    type = "InternalError"
