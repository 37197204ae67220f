"""Keys that a JSON object gives twice. JSON does not say what that means, and msgspec takes the last without an error.

The check must cost next to nothing. A text has one colon for each key; all other colons are inside strings. So a text
with exactly as many colons as decoded keys repeats no key. Any other text is read again by a slow parser.

A form may give a field twice too. The reader of a form keeps such a field as ``Repeated``.
"""

import json
from typing import Any, NamedTuple

Text = bytes | bytearray | str


class Repeated(NamedTuple):
    """The first and the last value of a form's field that is given more than once."""

    first: bytes | bytearray
    last: bytes | bytearray


class _Found(Exception):
    pass


def colons(text: Text) -> int:
    """The number of colons in a JSON text: one for each key, at any depth, and those in strings."""
    return text.count(":" if isinstance(text, str) else b":")


def repeated(text: Text) -> tuple[str, Any, Any] | None:
    """A key that an object in a valid JSON text repeats, and its first two values; None where no key is repeated."""
    try:
        json.loads(text, object_pairs_hook=_checked)
    except _Found as found:
        return found.args
    return None


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _Found(name, values[name], value)
        values[name] = value
    return values
