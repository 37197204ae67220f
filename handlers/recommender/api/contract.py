"""The request contract: one schema, from which requests are decoded and the OpenAPI document is made."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .errors import InvalidRequest, TooLarge, shortened
from .repeats import Repeated, Text, colons, repeated

Id = int | str
FeatureValue = str | int | float | list[str] | None


class GivenRating(Struct, forbid_unknown_fields=True):
    """A rating that comes with the request; without ``rating`` it is a like."""

    movie_id: Id
    rating: float | None = None


class Request(Struct, forbid_unknown_fields=True):
    """Every field that a request may have; ``FIELDS`` says which of them each kind of request takes."""

    user_id: Annotated[Id, Meta(description="Who: a user of the training log.")] | UnsetType = UNSET
    ratings: (
        Annotated[list[GivenRating], Meta(min_length=1, description="Who: somebody new, by ratings of theirs.")]
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
    timestamp: (
        Annotated[int, Meta(ge=0, description="Seconds since 1970: the moment that the rating is for.")] | UnsetType
    ) = UNSET
    k: Annotated[int, Meta(ge=1, description="How many entries at most; 10 by default.")] | UnsetType = UNSET
    offset: Annotated[int, Meta(ge=0, description="Entries to skip.")] | UnsetType = UNSET
    exclude_seen: (
        Annotated[bool, Meta(description="Leave out what the user has rated; true by default.")] | UnsetType
    ) = UNSET
    exclude: Annotated[list[Id], Meta(description="Movies to leave out.")] | UnsetType = UNSET
    candidates: Annotated[list[Id], Meta(description="Only these movies.")] | UnsetType = UNSET
    genres: Annotated[list[str], Meta(min_length=1, description="Only movies of any of these.")] | UnsetType = UNSET
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


class _Body(Request, forbid_unknown_fields=True):
    """What one HTTP body holds: a request, or many."""

    instances: list[msgspec.Raw] | UnsetType = UNSET


class Answer(Struct, gc=False):
    """What comes back for one body: an HTTP status, its phrase and a JSON body."""

    code: int
    phrase: str
    body: bytes


WHO = frozenset({"user_id", "ratings", "user"})
NARROW = frozenset({"k", "exclude", "candidates", "genres"})

# Which fields each kind of request may have.
FIELDS: dict[str, frozenset[str]] = {
    "score": WHO | {"movie_id", "movie", "timestamp", "on_unknown"},
    "recommend": WHO | NARROW | {"exclude_seen", "timestamp", "explain", "on_unknown"},
    "similar": NARROW | {"movie_id", "movie", "on_unknown"},
    "history": frozenset({"user_id", "history", "on_unknown"}),
    "catalogue": frozenset({"catalogue", "offset", "k"}),
}

EMPTY = (
    "the request is empty; send a JSON object with its content type, curl -H 'Content-Type: application/json' "
    '-d \'{"user_id": 196, "movie_id": 242}\', or a form, curl -d user_id=196 -d movie_id=242 '
    "(curl -d with JSON but without the header is read as a form and arrives empty)"
)

NOT_JSON = "the body is not JSON: {}; send one JSON object, encoded as UTF-8"

_decode_body = msgspec.json.Decoder(_Body).decode
_decode_request = msgspec.json.Decoder(Request).decode
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def parse(slot: Mapping[str, Any], max_instances: int) -> tuple[list[Request | InvalidRequest], bool]:
    """The requests in one slot of a TorchServe batch, and whether they came as ``instances``.

    A slot holds a raw body under ``body`` or ``data`` (bytes, or an object that TorchServe has decoded already), or
    the scalars of a form. A field that is given more than once is ``Repeated``, where the frame reader has seen it. An
    instance that cannot be read is its error in its place.

    Raises InvalidRequest where the whole body cannot be read, TooLarge for more than ``max_instances``.
    """
    name = "body" if "body" in slot else "data"
    if name not in slot:
        return [_from_form(slot)], False
    raw = _only_value(name, slot[name])
    if isinstance(raw, bytes | bytearray | str):
        if not raw or raw.isspace():
            raise InvalidRequest(EMPTY)
        body = _checked(_decode_body, raw)
        if body.instances is UNSET:
            return [_said_once(body, raw)], False
        _only_instances(_given(body))
        instances, decode = body.instances, _read_instance
        if colons(raw) > 1 + sum(colons(bytes(instance)) for instance in instances):
            raise InvalidRequest("instances is given twice: give it once")
    else:
        if not isinstance(raw, dict) or "instances" not in raw:
            return [_checked(_convert, raw)], False
        _only_instances(name for name in raw if name != "instances")
        instances, decode = raw["instances"], _convert
        if not isinstance(instances, list):
            raise InvalidRequest(f"instances is {shortened(instances)}: expected an array of requests")
    if len(instances) > max_instances:
        raise TooLarge(f"instances has {len(instances)} requests: send at most {max_instances} at once")
    return [_or_error(decode, instance) for instance in instances], True


def kind_of(request: Request) -> str:
    """Which kind a request is, by what it leaves out: a key of ``FIELDS``.

    Raises InvalidRequest for a request that is no kind, or that has a field its kind does not take.
    """
    given = set(_given(request))
    if "user_id" in given and given & {"ratings", "user"}:
        other = "ratings" if "ratings" in given else "user"
        raise InvalidRequest(f"user_id and {other} both say who it is for: give user_id, or ratings and/or user")
    if "movie_id" in given and "movie" in given:
        raise InvalidRequest("movie_id and movie both say which movie: give one of them")
    which = given & {"movie_id", "movie"}
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
    return kind


def _given(request: Request) -> list[str]:
    return [name for name in Request.__struct_fields__ if getattr(request, name) is not UNSET]


def _convert(raw: Any) -> Request:
    return msgspec.convert(raw, Request)


def _read_instance(raw: msgspec.Raw) -> Request:
    return _said_once(_decode_request(raw), bytes(raw))


def _said_once(request: Request, text: Text) -> Request:
    """The request that was read from ``text``, unless that gives a key twice."""
    keys = len(_given(request))
    keys += sum(len(features) for features in (request.user, request.movie) if features is not UNSET)
    if request.ratings is not UNSET:
        keys += sum(1 if one.rating is None else 2 for one in request.ratings)
    found = None if colons(text) == keys else repeated(text)
    if found:
        raise _given_again(*found)
    return request


def _given_again(name: str, first: Any, second: Any) -> InvalidRequest:
    return InvalidRequest(
        f"{shortened(name)} is given more than once, as {shortened(first)} and as {shortened(second)}: give it once"
    )


def _from_form(form: Mapping[str, Any]) -> Request:
    if not form:
        raise InvalidRequest(EMPTY)
    try:
        text = {name: _text(_only_value(name, value)) for name, value in form.items()}
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the form is not UTF-8 ({error.reason} at byte {error.start}): encode it so") from None
    # msgspec reads a text as a bool, but not as the only bool that a literal allows.
    text |= {name: True for name in ("history", "catalogue") if text.get(name) == "true"}
    return _checked(lambda values: msgspec.convert(values, Request, strict=False), text)


def _only_value(name: str, value: Any) -> Any:
    if isinstance(value, Repeated):
        raise _given_again(name, *(bytes(one).decode(errors="replace") for one in value))
    return value


def _text(value: Any) -> Any:
    return bytes(value).decode("utf-8") if isinstance(value, bytes | bytearray) else value


def _only_instances(beside: Any) -> None:
    surplus = sorted(beside)
    if surplus:
        raise InvalidRequest(f"{surplus[0]} stands beside instances: put it inside each of them")


def _or_error(decode: Any, raw: Any) -> Request | InvalidRequest:
    try:
        return _checked(decode, raw)
    except InvalidRequest as error:
        return error


def _checked(decode: Any, raw: Any) -> Any:
    """Decode, with msgspec's complaint turned into one that names the field, the value and the remedy."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        complaint = str(error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(NOT_JSON.format(error)) from None
    try:
        value = msgspec.json.decode(raw) if isinstance(raw, bytes | bytearray | str | msgspec.Raw) else raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(NOT_JSON.format(error)) from None  # broken after the place of the first complaint
    raise InvalidRequest(_explained(complaint, value))


def _explained(complaint: str, body: Any) -> str:
    match = _PATH.match(complaint)
    what, path = (match["what"], match["path"] or "") if match else (complaint, "")
    what = what.replace("`", "")
    unknown = re.fullmatch(r"Object contains unknown field (.*)", what, re.DOTALL)
    if unknown:
        where = f" in {path.lstrip('.')}" if path else ""
        fields = GivenRating if path.startswith(".ratings") else Request
        return (
            f"{shortened(unknown[1])}{where} is not a field of the contract; its fields are "
            f"{', '.join(fields.__struct_fields__)}"
        )
    if not path:
        return f"the body is {shortened(body)}: {what}; send one JSON object"
    value = body
    for name, index in _STEP.findall(path):
        try:
            value = value[name] if name else value[int(index)]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    return f"{path.lstrip('.')} is {shortened(value)}: {what[:1].lower()}{what[1:]}"
