"""The Open Inference Protocol v2: tensors of ids in, tensors of scores out; over HTTP as JSON.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md

| inputs | outputs |
|---|---|
| ``user_id`` [N], ``movie_id`` [N] | ``score`` FP64 [N], ``unknown`` BOOL [N]: whether an id is not known |
| ``user_id`` [N], and ``k`` in ``parameters`` | ``movie_id`` [N, k], ``score`` FP64 [N, k] |
| any of these with ``item_id`` for ``movie_id`` | the same, and the ids of lists by the name that the log has |
| ``request`` BYTES [N]: JSON of the contract | ``answer`` BYTES [N]: JSON of the contract |

Ids are BYTES or integers, as in the contract. A request is one body with ``instances``, so its limits are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import msgspec
from msgspec import Struct

from .errors import BadRequest

PLATFORM = "torch_recommender"
INTEGERS = {"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"}
TYPES = {*INTEGERS, "BYTES"}
MOVIE_IDS = ("movie_id", "item_id")
PAIRS, LIST, REQUEST = [{"user_id", name} for name in MOVIE_IDS], {"user_id"}, {"request"}


class Input(Struct):
    """A tensor of a request; ``data`` is flat or nested, in row-major order."""

    name: str
    shape: list[int | float]
    datatype: str
    data: list[Any]


class Wanted(Struct):
    """The name of an output that a request asks for."""

    name: str


class Question(Struct):
    """The body of an inference request; null is as good as nothing."""

    inputs: list[Input]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


def read(body: bytes) -> Question:
    """The question in a body. Raises BadRequest."""
    try:
        return msgspec.json.decode(body, type=Question)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is no inference request of the Open Inference Protocol: {error}") from error


def instances(question: Question) -> bytes:
    """The contract's body for a question. Raises BadRequest."""
    columns = {given.name: _flat(given) for given in question.inputs}
    names = set(columns)
    if len(columns) < len(question.inputs) or names not in (*PAIRS, LIST, REQUEST):
        got = ", ".join(given.name for given in question.inputs) or "nothing"
        raise BadRequest(f"inputs are {got}: give user_id and movie_id (or item_id), or user_id alone, or request")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        (name,) = lengths.keys() - {"user_id"}
        raise BadRequest(f"user_id has {lengths['user_id']} ids and {name} {lengths[name]}: give as many")
    if names == REQUEST:
        return b'{"instances":[%b]}' % b",".join(map(_object, columns["request"]))
    parameters = question.parameters or {}
    k = {"k": _integer(parameters["k"])} if names == LIST and "k" in parameters else {}
    rows = [dict(zip(columns, row), **k) for row in zip(*columns.values(), strict=True)]
    return msgspec.json.encode({"instances": rows})


def _flat(given: Input) -> list[Any]:
    """The data of an input in a row, of as many values as its shape says."""
    types = {"BYTES"} if {given.name} == REQUEST else TYPES
    if given.datatype not in types:
        remedy = "BYTES or INT64" if types is TYPES else "BYTES"
        raise BadRequest(f"{given.name} has the datatype {given.datatype!r}: give {remedy}")
    shape = list(map(_integer, given.shape))
    if len(shape) not in (1, 2) or shape[1:] not in ([], [1]):
        raise BadRequest(f"{given.name} has the shape {str(shape)[:60]}: give [N] or [N, 1]")
    data = list(_leaves(given.data))
    if prod(shape) != len(data):
        raise BadRequest(f"{given.name} has the shape {shape} and {len(data)} values: give as many")
    kind = str if given.datatype == "BYTES" else int
    if kind is int:
        data = list(map(_integer, data))
    wrong = [value for value in data if type(value) is not kind][:1]
    if wrong:
        raise BadRequest(f"{given.name} has {repr(wrong[0])[:60]} among its data: its datatype is {given.datatype}")
    return data


def _integer(value: Any) -> Any:
    """11 for 11.0: JSON has one kind of numbers, and some clients write all of them so. Beyond 2^53 digits are lost."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


def _leaves(data: Sequence[Any]) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list):
            yield from value  # [N, 1]; what is nested deeper is no id
        else:
            yield value


def _object(text: str) -> bytes:
    encoded = text.encode()
    try:
        msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequest(f"request has {text[:60]!r} among its data, which is no JSON object: {error}") from error
    return encoded


def outputs(question: Question, answer: bytes) -> list[dict[str, Any]]:
    """The tensors of an answer to ``instances``. Raises BadRequest."""
    predictions = msgspec.json.decode(answer, type=dict[str, list[msgspec.Raw]])["predictions"]
    names = {given.name for given in question.inputs}
    if names == REQUEST:
        found = [_tensor("answer", "BYTES", [len(predictions)], [bytes(one).decode() for one in predictions])]
    else:
        answers = [json.loads(bytes(one)) for one in predictions]
        refused = next(((row, one["error"]) for row, one in enumerate(answers) if "error" in one), None)
        if refused:
            raise BadRequest(f"row {refused[0]}: {refused[1]['message']}")
        found = _of_pairs(answers) if names in PAIRS else _of_lists(answers)
    if not question.outputs:
        return found
    wanted = [one.name for one in question.outputs]
    there = {one["name"] for one in found}
    missing = [name for name in wanted if name not in there]
    if missing:
        raise BadRequest(f"outputs has {missing[0]!r}: these inputs have {', '.join(sorted(there))}")
    return [one for one in found if one["name"] in wanted]


def reply(question: Question, model: str, version: str, answer: bytes) -> bytes:
    """The response to an answer to ``instances``, as JSON. Raises BadRequest."""
    identifier = {} if question.id is None else {"id": question.id}
    found = outputs(question, answer)
    return msgspec.json.encode({"model_name": model, "model_version": version, **identifier, "outputs": found})


def _of_pairs(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        _tensor("score", "FP64", [len(answers)], [one["score"] for one in answers]),
        _tensor("unknown", "BOOL", [len(answers)], ["unknown" in one for one in answers]),
    ]


def _of_lists(answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    lists = [one["recommendations"] for one in answers]
    lengths = [len(entries) for entries in lists]
    if len(set(lengths)) > 1:
        row = lengths.index(min(lengths))
        raise BadRequest(
            f"row {row} has {min(lengths)} movies and others have {max(lengths)}, which is no tensor: ask for fewer "
            "(k), for each user alone, or by the input request"
        )
    entries = [entry for listed in lists for entry in listed]
    name = next((name for name in MOVIE_IDS if entries and name in entries[0]), MOVIE_IDS[0])
    ids = [entry[name] for entry in entries]
    shape = [len(lists), lengths[0] if lengths else 0]
    datatype = "BYTES" if ids and isinstance(ids[0], str) else "INT64"
    scores = [entry["score"] for entry in entries]
    return [_tensor(name, datatype, shape, ids), _tensor("score", "FP64", shape, scores)]


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def metadata(model: str, versions: Sequence[str], id_types: Mapping[str, str]) -> dict[str, Any]:
    """What a model is: for pairs, the question that has a tensor for each input."""
    inputs = [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in id_types.items()]
    outputs = [
        {"name": name, "datatype": kind, "shape": [-1]} for name, kind in (("score", "FP64"), ("unknown", "BOOL"))
    ]
    return {"name": model, "versions": list(versions), "platform": PLATFORM, "inputs": inputs, "outputs": outputs}


def server_metadata() -> dict[str, Any]:
    """What the server is."""
    return {"name": "torchserve-recommender", "version": "0.1.0", "extensions": []}
