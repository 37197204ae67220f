"""From the body of a request to its jobs. All that can be wrong with a body's form is found here.

A body is JSON (bytes or text), the fields of a form (``Form``), or an object that the host has decoded already.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from .duplicates import Repeated, Text, colons, repeated
from .errors import InvalidRequest, RequestError, TooLarge, shortened
from .job import Job
from .requests import EMPTY, GivenCondition, GivenRating, Range, Request, given_fields


@dataclass(frozen=True)
class Form:
    """The scalars of a form by name: UTF-8 bytes, or ``Repeated`` for a field that is given more than once."""

    fields: Mapping[str, Any]


Body = bytes | bytearray | str | Form | Any


@dataclass(frozen=True)
class DecodedBody:
    """The jobs of one body; ``many``: it had ``instances``, and its answer has a place for each."""

    jobs: list[Job]
    many: bool = False


class _Body(Request, forbid_unknown_fields=True):
    """What one HTTP body holds: a request, or many."""

    instances: list[msgspec.Raw] | UnsetType = UNSET


NOT_JSON = "the body is not JSON: {}; send one JSON object, encoded as UTF-8"

_decode_body = msgspec.json.Decoder(_Body).decode
_decode_request = msgspec.json.Decoder(Request).decode
A_CONDITION = 'give a text, a number, true or false, an array of them, or {"min": 10, "max": 500}'
_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


def decode(body: Body, max_instances: int) -> DecodedBody:
    """The jobs of a body. One that cannot be read is a job with an error; so is an instance, in its place."""
    try:
        return _decode(body, max_instances)
    except RequestError as error:
        return DecodedBody([Job(error=error)])


def _decode(body: Body, max_instances: int) -> DecodedBody:
    read: Callable[[Any], Request]
    if isinstance(body, Form):
        return DecodedBody([Job(_from_form(body.fields))])
    if isinstance(body, bytes | bytearray | str):
        if not body or body.isspace():
            raise InvalidRequest(EMPTY)
        decoded = _checked(_decode_body, body)
        if decoded.instances is UNSET:
            return DecodedBody([Job(_without_duplicates(decoded, body))])
        _check_alone(given_fields(decoded))
        instances, read = decoded.instances, _from_json
        if colons(body) > 1 + sum(colons(bytes(instance)) for instance in instances):
            raise InvalidRequest("instances is given twice: give it once")
    else:
        if not isinstance(body, dict) or "instances" not in body:
            return DecodedBody([Job(_from_object(body))])
        _check_alone(name for name in body if name != "instances")
        instances, read = body["instances"], _from_object
        if not isinstance(instances, list):
            raise InvalidRequest(f"instances is {shortened(instances)}: expected an array of requests")
    if len(instances) > max_instances:
        raise TooLarge(f"instances has {len(instances)} requests: send at most {max_instances} at once")
    return DecodedBody([_instance(read, instance) for instance in instances], many=True)


def _instance(read: Callable[[Any], Request], instance: Any) -> Job:
    try:
        return Job(read(instance))
    except RequestError as error:
        return Job(error=error)


def _check_alone(others: Iterable[str]) -> None:
    surplus = sorted(others)
    if surplus:
        raise InvalidRequest(f"{surplus[0]} stands beside instances: put it inside each of them")


def _from_object(decoded: Any) -> Request:
    return _checked(lambda value: msgspec.convert(value, Request), decoded)


def _from_json(raw: msgspec.Raw) -> Request:
    return _without_duplicates(_checked(_decode_request, raw), bytes(raw))


def _from_form(fields: Mapping[str, Any]) -> Request:
    if not fields:
        raise InvalidRequest(EMPTY)
    try:
        text = {name: _text(_only_value(name, value)) for name, value in fields.items()}
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the form is not UTF-8 ({error.reason} at byte {error.start}): encode it so") from None
    # msgspec reads a text as a bool, but not as the only bool that a literal allows.
    text |= {name: True for name in ("history", "catalogue", "newest") if text.get(name) == "true"}
    return _checked(lambda values: msgspec.convert(values, Request, strict=False), text)


def _text(value: Any) -> Any:
    return bytes(value).decode("utf-8") if isinstance(value, bytes | bytearray) else value


# --- keys and fields that are given more than once


def _without_duplicates(request: Request, text: Text) -> Request:
    """The request that was read from ``text``. Raises InvalidRequest where the text gives a key twice."""
    keys = len(given_fields(request))
    features = (request.user, request.movie, request.item, request.where)
    keys += sum(len(part) for part in features if part is not UNSET)
    if request.where is not UNSET:
        ranges = (condition for condition in request.where.values() if isinstance(condition, Range))
        keys += sum((given.min is not UNSET) + (given.max is not UNSET) for given in ranges)
    if request.ratings is not UNSET:
        keys += sum(1 if given.rating is None else 2 for given in request.ratings)
    found = None if colons(text) == keys else repeated(text)
    if found:
        raise _given_again(*found)
    return request


def _only_value(name: str, value: Any) -> Any:
    if isinstance(value, Repeated):
        raise _given_again(name, *(bytes(text).decode(errors="replace") for text in value))
    return value


def _given_again(name: str, first: Any, second: Any) -> InvalidRequest:
    return InvalidRequest(
        f"{shortened(name)} is given more than once, as {shortened(first)} and as {shortened(second)}: give it once"
    )


# --- msgspec's complaints, in the words of the contract


def _checked(read: Callable[[Any], Any], raw: Any) -> Any:
    """Decode, with msgspec's complaint turned into one that names the field, the value and the remedy."""
    try:
        return read(raw)
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
    if path.startswith(".where["):
        for name, given in body["where"].items():
            if not _is_condition(given):
                return f"where.{name[:60]} is {shortened(given)}: {A_CONDITION}"
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


def _is_condition(given: Any) -> bool:
    try:
        msgspec.convert(given, GivenCondition)
    except msgspec.ValidationError:
        return False
    return True
