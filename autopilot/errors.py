"""The error of this package."""


class AutopilotError(RuntimeError):
    """A run cannot begin or go on; the message says what to do. Nothing was changed."""
