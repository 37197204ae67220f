"""What browsers may ask: the part of the request contract that the gateway passes on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, StringConstraints

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strict=True)]
Id = StrictInt | Text


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Rating(_Closed):
    """A rating that somebody has just given."""

    movie_id: Id
    rating: FiniteFloat | None = None


class Ask(_Closed):
    """One question. Which fields go together is the handler's to check; what is left out is not passed on."""

    user_id: Id = None
    ratings: Annotated[list[Rating], Field(max_length=500)] = None
    user: dict[Text, StrictInt | FiniteFloat | Text | list[Text]] = None
    movie_id: Id = None
    timestamp: Annotated[int, Field(ge=0, strict=True)] = None
    k: Annotated[int, Field(ge=1, le=200, strict=True)] = None
    exclude_seen: StrictBool = None
    exclude: Annotated[list[Id], Field(max_length=1000)] = None
    genres: Annotated[list[Text], Field(max_length=50)] = None
    history: Literal[True] = None
    explain: StrictBool = None
    on_unknown: Literal["fallback", "error"] = None


class Card(BaseModel):
    """What a browser may know of a model: fields of the describe answer that are not named here stay behind."""

    name: str
    version: str
    target: str = ""
    score: str = ""
    scale: tuple[float, float] | None = None
    data: dict[str, Any] = {}
    users: int = 0
    movies: int = 0
    metrics: dict[str, Any] = {}
    options: list[str] = []
    sha256: str = ""
    some_users: Annotated[
        list[int | str], Field(exclude=True)
    ] = []  # for "Someone at random"; browsers get one at a time
