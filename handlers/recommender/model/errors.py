"""What can be wrong with a model's files, and with a side feature that somebody gives."""

from typing import Any


class ArchiveError(Exception):
    """A file of the model is missing or unreadable, or two of them do not fit each other; the message names both."""


class FeatureError(ValueError):
    """A side feature has a value of another kind. ``expected`` says which values it takes."""

    def __init__(self, name: str, value: Any, expected: str) -> None:
        super().__init__(f"{name} is {value!r}: give {expected}")
        self.name = name
        self.value = value
        self.expected = expected
