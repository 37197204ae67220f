"""Keys that an object gives twice: JSON leaves open what that means, and msgspec takes the last without a word.

Looking for them must cost next to nothing. A text has a colon for each of its keys, and others in strings alone. If a
text has exactly as many colons as keys were decoded, no key is repeated. Any other is read again, slowly.

A form may give a field twice too: whoever reads it keeps that as ``Repeated``.
"""

import json
from typing import Any, NamedTuple

Text = bytes | bytearray | str


class Repeated(NamedTuple):
    """The values of a form's field that is given more than once: the first and the last, however many there are."""

    first: bytes | bytearray
    last: bytes | bytearray


class _Found(Exception):
    pass


def colons(text: Text) -> int:
    """How many a JSON text has: one a key, at any depth, and those in its strings."""
    return text.count(":" if isinstance(text, str) else b":")


def repeated(text: Text) -> tuple[str, Any, Any] | None:
    """A key that an object in a valid JSON text repeats, and its first two values; None where there is none."""
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
