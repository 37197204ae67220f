"""Keys that an object gives twice: JSON leaves open what that means, and msgspec takes the last without a word.

Looking for them must cost next to nothing. A text has a colon for each of its keys, and others in strings alone: one
with no more colons than the keys that were found in it repeats none. Any other is read again, slowly.
"""

import json
from typing import Any

Text = bytes | bytearray | str


class _Repeated(Exception):
    pass


def colons(text: Text) -> int:
    """How many a JSON text has: one a key, at any depth, and those in its strings."""
    return text.count(":" if isinstance(text, str) else b":")


def repeated(text: Text) -> tuple[str, Any, Any] | None:
    """A key that an object in a valid JSON text repeats, and its first two values; None where there is none."""
    try:
        json.loads(text, object_pairs_hook=_checked)
    except _Repeated as found:
        return found.args
    return None


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _Repeated(name, values[name], value)
        values[name] = value
    return values
