"""What the contract's fields and the messages call what is in a catalogue: a movie, or what the log calls it."""

import re
from typing import Literal

from msgspec import Struct

# How an English word begins that takes "an": with the sound of a vowel, which "user", "unit" and "euro" do not.
_AFTER_AN = re.compile(r"(?!eu|uni|us[aeu]|one\b)[aeiou]|hour|heir|hono", re.IGNORECASE)


class Words(Struct, frozen=True):
    """``field``: the word of the contract's fields, as the log has it. ``one`` and ``many``: the word of messages."""

    field: Literal["movie", "item"] = "movie"
    one: str = "movie"
    many: str = "movies"

    @property
    def id(self) -> str:
        """The field that holds an id."""
        return f"{self.field}_id"

    @property
    def a(self) -> str:
        """One with its article: "a movie", "an item"."""
        return f"{'an' if _AFTER_AN.match(self.one) else 'a'} {self.one}"


MOVIES = Words()
