"""What the contract's fields and the messages call what is in a catalogue: a movie, or what the log calls it."""

from typing import Literal

from msgspec import Struct


class Words(Struct, frozen=True):
    """``field``: the word of the contract's fields, as the log has it. ``one`` and ``many``: the word of messages."""

    field: Literal["movie", "item"] = "movie"
    one: str = "movie"
    many: str = "movies"

    @property
    def id(self) -> str:
        """The field that holds an id."""
        return f"{self.field}_id"


MOVIES = Words()
