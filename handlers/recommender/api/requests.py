"""The request contract: every field of a request, and which kinds of requests take it.

Requests are decoded with this schema (decode.py), and the OpenAPI document is made from it (tools/openapi.py).
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .errors import InvalidRequest, shortened

Id = int | str
ZeroToOne = Annotated[float, Meta(ge=0, le=1)]
FeatureValue = str | int | float | list[str] | None

LATEST = 2**53 - 1  # the largest integer that JSON keeps exact everywhere
DEFAULT_K = 10  # entries of a list where the request does not say how many


# The contract's two words for what is in a catalogue. A request may use either; an answer uses that of the log.
OTHER_WORD = {"item_id": "movie_id", "item": "movie"}


class GivenRating(Struct, forbid_unknown_fields=True):
    """A rating that comes with the request; without ``rating`` it is a like."""

    movie_id: Id | UnsetType = UNSET
    rating: float | None = None
    item_id: Annotated[Id, Meta(description="In the place of movie_id.")] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raises ValueError where it is not of one movie."""
        if (self.movie_id is UNSET) == (self.item_id is UNSET):
            if self.movie_id is UNSET:
                raise ValueError("Object missing required field movie_id (or item_id)")
            raise ValueError("movie_id and item_id both say which movie: give one of them")

    @property
    def id(self) -> Id:
        """The movie's id."""
        return self.item_id if self.movie_id is UNSET else self.movie_id


class Range(Struct, forbid_unknown_fields=True):
    """A condition on numbers: from ``min`` to ``max``, both included; one of them may be left out."""

    min: float | UnsetType = UNSET
    max: float | UnsetType = UNSET


GivenCondition = bool | float | str | list[bool | float | str] | Range


class Request(Struct, forbid_unknown_fields=True):
    """Every field that a request may have; ``FIELDS`` says which of them each kind of request takes."""

    user_id: Annotated[Id, Meta(description="Who: a user of the training log.")] | UnsetType = UNSET
    ratings: (
        Annotated[
            list[GivenRating],
            Meta(min_length=1, description="Who: somebody new, by ratings of theirs. With user_id: fresh ratings."),
        ]
        | UnsetType
    ) = UNSET
    user: (
        Annotated[dict[str, FeatureValue], Meta(min_length=1, description="Who: somebody new, by side features.")]
        | UnsetType
    ) = UNSET
    movie_id: Annotated[Id, Meta(description="A movie of the catalogue.")] | UnsetType = UNSET
    movie: (
        Annotated[
            dict[str, FeatureValue], Meta(min_length=1, description="In the place of movie_id: a new movie's features.")
        ]
        | UnsetType
    ) = UNSET
    item_id: Annotated[Id, Meta(description="In the place of movie_id.")] | UnsetType = UNSET
    item: Annotated[dict[str, FeatureValue], Meta(min_length=1, description="In the place of movie.")] | UnsetType = (
        UNSET
    )
    timestamp: (
        Annotated[
            int,
            Meta(ge=0, le=LATEST, description="Seconds since 1970: the moment that scores are for; none by default."),
        ]
        | UnsetType
    ) = UNSET
    k: Annotated[int, Meta(ge=1, description=f"How many entries at most; {DEFAULT_K} by default.")] | UnsetType = UNSET
    offset: Annotated[int, Meta(ge=0, description="Entries to skip.")] | UnsetType = UNSET
    exclude_seen: (
        Annotated[bool, Meta(description="Leave out what the user has rated; true by default.")] | UnsetType
    ) = UNSET
    exclude: Annotated[list[Id], Meta(description="Movies to leave out.")] | UnsetType = UNSET
    candidates: Annotated[list[Id], Meta(description="Only these movies.")] | UnsetType = UNSET
    genres: Annotated[list[str], Meta(min_length=1, description="Only movies of any of these.")] | UnsetType = UNSET
    where: (
        Annotated[
            dict[str, GivenCondition],
            Meta(min_length=1, description="Only movies that meet all of these conditions, by the archive's columns."),
        ]
        | UnsetType
    ) = UNSET
    diversity: (
        Annotated[ZeroToOne, Meta(description="How much a list avoids similar movies; 0 by default.")] | UnsetType
    ) = UNSET
    popularity_damping: (
        Annotated[ZeroToOne, Meta(description="How much less popular movies count; 0 by default.")] | UnsetType
    ) = UNSET
    explore: (
        Annotated[ZeroToOne, Meta(description="The share of places that go to exploration; 0 by default.")] | UnsetType
    ) = UNSET
    seed: Annotated[int, Meta(ge=0, le=LATEST, description="What fixes the draws of explore.")] | UnsetType = UNSET
    recent_days: (
        Annotated[int, Meta(ge=1, le=LATEST, description="Popular in so many days before the log's end.")] | UnsetType
    ) = UNSET
    newest: Annotated[Literal[True], Meta(description="The newest movies first.")] | UnsetType = UNSET
    history: Annotated[Literal[True], Meta(description="What the user has rated.")] | UnsetType = UNSET
    catalogue: Annotated[Literal[True], Meta(description="The movies of the archive.")] | UnsetType = UNSET
    explain: (
        Annotated[bool, Meta(description="Say why each movie is in the list, and why it has its score.")] | UnsetType
    ) = UNSET
    on_unknown: (
        Annotated[
            Literal["fallback", "error"],
            Meta(description="What to do about an id that is not known: use the unknown row, or answer 404."),
        ]
        | UnsetType
    ) = UNSET


WHO = frozenset({"user_id", "ratings", "user"})
WHICH = frozenset({"movie_id", "movie", *OTHER_WORD})
NARROW = frozenset({"k", "exclude", "candidates", "genres", "where"})
BEYOND = frozenset({"diversity", "popularity_damping"})  # what a list is good for besides accuracy
EXPLORE = frozenset({"explore", "seed"})

# The fields that each kind of request may have.
FIELDS: dict[str, frozenset[str]] = {
    "score": WHO | WHICH | {"timestamp", "on_unknown"},
    "recommend": WHO | NARROW | BEYOND | EXPLORE | {"exclude_seen", "timestamp", "explain", "on_unknown"},
    "similar": NARROW | WHICH | {"popularity_damping", "on_unknown"},
    "browse": NARROW | EXPLORE | {"recent_days", "newest", "on_unknown"},
    "history": frozenset({"user_id", "history", "on_unknown"}),
    "catalogue": frozenset({"catalogue", "offset", "k"}),
}

EMPTY = (
    "the request is empty; send a JSON object with its content type, curl -H 'Content-Type: application/json' "
    '-d \'{"user_id": 196, "movie_id": 242}\', or a form, curl -d user_id=196 -d movie_id=242 '
    "(curl -d with JSON but without the header is read as a form and arrives empty)"
)


def kind_of(request: Request) -> str:
    """Which kind a request is, by the fields that it has: a key of ``FIELDS``.

    Raises InvalidRequest for a request that is no kind, or that has a field its kind does not take.
    """
    fields = given_fields(request)
    given = set(fields)
    if {"user_id", "user"} <= given:
        raise InvalidRequest("user_id and user both say who it is for: give one of them, with ratings or without")
    which = [name for name in fields if name in WHICH]
    if len(which) > 1:
        raise InvalidRequest(f"{which[0]} and {which[1]} both say which movie: give one of them")
    if "catalogue" in given:
        kind = "catalogue"
    elif "history" in given:
        kind = "history"
    elif given & WHO:
        kind = "score" if which else "recommend"
    elif which:
        kind = "similar"
    elif not given:
        raise InvalidRequest(EMPTY)
    elif given <= FIELDS["browse"]:
        kind = "browse"
    else:
        raise InvalidRequest(
            f"{', '.join(sorted(given))} alone is no question: add user_id, ratings or user (for whom), "
            "movie_id or movie (for similar movies), or catalogue"
        )
    surplus = given - FIELDS[kind]
    if surplus:
        field = sorted(surplus)[0]
        value = shortened(getattr(request, field))
        raise InvalidRequest(
            f"{field} is {value}: a {kind} request does not take it (it takes {', '.join(sorted(FIELDS[kind]))})"
        )
    if kind == "history" and "user_id" not in given:
        raise InvalidRequest("history is for a user of the log: add user_id")
    for other in ("recent_days", "explore"):
        if {"newest", other} <= given:
            raise InvalidRequest(f"newest and {other} do not go together: give one of them")
    return kind


def in_one_word(request: Request) -> None:
    """Move what ``item_id`` or ``item`` holds to ``movie_id`` or ``movie``, which the next steps read."""
    for other, name in OTHER_WORD.items():
        if getattr(request, other) is not UNSET:
            setattr(request, name, getattr(request, other))
            setattr(request, other, UNSET)


def given_fields(request: Request) -> list[str]:
    """The names of the fields that a request has."""
    return [name for name in Request.__struct_fields__ if getattr(request, name) is not UNSET]
