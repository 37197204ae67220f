"""The part of the request contract that the gateway passes on, and the part of a description that browsers see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    GetCoreSchemaHandler,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

MOST_ENTRIES = 200  # of one list


@dataclass(frozen=True)
class _Expects:
    """Says what to give in place of pydantic's complaints, which are one for each type of a union."""

    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.custom_error_schema(handler(source), "expected", custom_error_message=self.what)


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strict=True, pattern=r"^[^\x00]*$")]
Id = Annotated[
    Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)] | Text,
    _Expects("give an id, which is a whole number or a text of 1 to 200 characters"),
]
MovieId = Annotated[Id, Field(validation_alias=AliasChoices("movie_id", "item_id"))]  # an error says what was given
FeatureValue = Annotated[
    StrictInt | FiniteFloat | Text | list[Text], _Expects("give a number, a text or an array of texts")
]
Seconds = Annotated[Annotated[int, Field(ge=0, strict=True)], _Expects("give whole seconds since 1970")]
ZeroToOne = Annotated[float, Field(ge=0, le=1, strict=True)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _OfMovie(_Closed):
    """What may name a movie, by either word of the contract; it is ``movie_id`` from here on, for every archive."""

    @model_validator(mode="before")
    @classmethod
    def _in_one_word(cls, given: Any) -> Any:
        if isinstance(given, dict) and {"movie_id", "item_id"} <= given.keys():
            raise ValueError("movie_id and item_id both say which movie: give one of them")
        return given


def id_of(entry: dict[str, Any]) -> int | str:
    """The id of an answer's entry, which has it under the word of the log."""
    return entry["movie_id"] if "movie_id" in entry else entry["item_id"]


class Rating(_OfMovie):
    """A rating of somebody new."""

    movie_id: MovieId
    rating: FiniteFloat | None = None


class Ask(_OfMovie):
    """One request. The handler checks which fields go together; a field that is left out is not passed on."""

    user_id: Id = None
    ratings: Annotated[list[Rating], Field(max_length=500)] = None
    user: dict[Text, FeatureValue] = None
    movie_id: MovieId = None
    timestamp: Seconds = None
    k: Annotated[int, Field(ge=1, le=MOST_ENTRIES, strict=True)] = None
    exclude_seen: StrictBool = None
    exclude: Annotated[list[Id], Field(max_length=1000)] = None
    candidates: Annotated[list[Id], Field(max_length=1000)] = None
    genres: Annotated[list[Text], Field(max_length=50)] = None
    where: Annotated[dict[Text, Any], Field(max_length=50)] = None  # the handler checks the conditions
    diversity: ZeroToOne = None
    popularity_damping: ZeroToOne = None
    explore: ZeroToOne = None
    seed: Annotated[int, Field(ge=0, strict=True)] = None
    recent_days: Annotated[int, Field(ge=1, strict=True)] = None
    newest: Literal[True] = None
    history: Literal[True] = None
    explain: StrictBool = None
    on_unknown: Literal["fallback", "error"] = None

    def json_body(self) -> bytes:
        """What is passed on."""
        return self.model_dump_json(exclude_unset=True).encode()


class Event(_OfMovie):
    """What somebody did: they rated a movie, liked it, looked at it or bought it (``feedback.tables.TYPES``).

    ``timestamp``: seconds since 1970, now where it is left out. An event whose ``key`` its user has sent before is the
    same event, and is not stored again.
    """

    user_id: Id
    movie_id: MovieId
    type: Literal["rating", "like", "click", "purchase"]
    rating: Annotated[FiniteFloat, Field(strict=True)] = None
    timestamp: Seconds = None
    key: Text = None


class Feedback(_Closed):
    """Events that are stored together or not at all."""

    events: Annotated[list[Event], Field(min_length=1)]


class Visitor(_Closed):
    """Somebody who has given the page a name."""

    name: Annotated[Text, Field(max_length=60)]


class Forget(Visitor, _OfMovie):
    """What is to be deleted of them: all, or their events about one movie."""

    movie_id: MovieId = None


class Card(BaseModel):
    """The fields of a model's description that browsers see."""

    name: str
    version: str
    target: str = ""
    score: str = ""
    scale: tuple[float, float] | None = None
    ids: Annotated[dict[str, str], Field(exclude=True)] = {}  # "integer" or "string", by "user_id" and ``movie_id``
    data: dict[str, Any] = {}
    users: int = 0
    movies: Annotated[int, Field(validation_alias=AliasChoices("movies", "items"))] = 0
    words: dict[str, str] = {"a": "a movie", "one": "movie", "many": "movies"}
    columns: dict[str, str] = {}
    newest_by: str | None = None
    metrics: dict[str, Any] = {}
    options: list[str] = []
    limits: Annotated[dict[str, Any], Field(exclude=True)] = {}
    sha256: str = ""
    some_users: Annotated[
        list[int | str], Field(exclude=True)
    ] = []  # for "Someone at random"; browsers get one at a time

    @property
    def movie_id(self) -> str:
        """The field that has a movie's id in the answers of this model: ``movie_id`` or ``item_id``."""
        return "item_id" if "item_id" in self.ids else "movie_id"
