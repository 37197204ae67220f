"""Write docs/openapi.json: requests from the contract, answers from the client's types. python -m tools.openapi"""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from client.recommender_client import ANSWERS, ASK_AGAIN, Error
from handlers.recommender.api.requests import FIELDS, Request
from tools.examples import Example, examples

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "docs" / "openapi.json"

Schema = dict[str, Any]

ABOUT = f"""\
The fields that you send select the kind of request. A user alone gives a list of movies, a movie alone gives similar
movies, both together give a score, and neither gives what is popular or new. A score is on the scale of the training
target: a rating (`mf`, `fm`), or the probability of a rating above a threshold (`deepfm`). In lists of similar movies
it is a cosine.

`item_id` and `item` are other names of `movie_id` and `movie`. Answers have the word of the log that the model was
trained on; the examples are of a log of movies.

Ids are all integers or all strings, as in the data that a model was trained on; an integer may be given as its decimal
string. An id, genre or feature value that the model does not know is skipped, or stands for the average user or movie,
and the answer names its field under `unknown`; with `"on_unknown": "error"` it is a 404 instead. Side features (`user`,
`movie`) are for models that were trained with them (`fm`, `deepfm`); the management API tells their names. A `k` above
an archive's limit is cut to it; more ids or instances than it allows are a 413.

Requests change nothing: one that met a status of {", ".join(map(str, ASK_AGAIN))}, or a broken connection, can be
sent again, a few times and a little later each time. A fault in one of `instances` is an `error` in its place and
leaves the others alone. Answers may gain fields.

The example of an answer has the name of its request's; the example of a refusal has its request under `x-request`.
"""

VERSION_HEADER = "The version that answered; absent where TorchServe itself refuses a request."


def _needs(*fields: str) -> Schema:
    return {"required": list(fields)}


WHO = {
    "anyOf": [_needs(field) for field in ("user_id", "ratings", "user")],
    "not": _needs("user_id", "user"),
}
WHICH = {"oneOf": [_needs(field) for field in ("movie_id", "movie", "item_id", "item")]}

# What the contract's function kind_of asks for beyond FIELDS: a description, and what has to be there. By the kind,
# whose name its example has too.
KINDS: dict[str, tuple[str, Schema]] = {
    "score": ("For whom, and which movie: the score of the pair.", {"allOf": [WHO, WHICH]}),
    "recommend": ("For whom: the movies that rank highest for them, each with the score of its pair.", WHO),
    "similar": ("Which movie: the movies most like it.", WHICH),
    "browse": (
        "Nobody in particular: what is popular, of late or at all, or what is new.",
        {"minProperties": 1, "not": {"required": ["newest"], "anyOf": [_needs("recent_days"), _needs("explore")]}},
    ),
    "history": ("What a user has rated.", _needs("user_id", "history")),
    "catalogue": ("The movies of the archive, by movie id.", _needs("catalogue")),
}

REFUSALS = {
    "400": "The request breaks the contract; the message names the field, the value and the remedy.",
    "404": "`UnknownId`: an id, where the request (or a list of similar movies) cannot do without it. "
    "`ModelNotFoundException`, `ModelVersionNotFoundException`: the server has no such model or version.",
    "413": "`TooLarge`: more than the archive's limits allow. Without a body: more bytes than the server accepts.",
} | {str(status): f"Send the same request again: {reason}." for status, reason in ASK_AGAIN.items()}
REFUSALS["503"] += " `Overloaded`, among the predictions of `instances`: ask these again, fewer at a time."


def document() -> Schema:
    """The OpenAPI document."""
    model = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}, "example": "fm"}
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}, "example": "1.0"}
    version["description"] = "As in the name of its archive, `model_store/<model>-<version>.mar`."
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Recommenders on TorchServe",
            "version": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://localhost:8080", "description": "TorchServe's inference API"}],
        "security": [{}, {"token": []}],
        "paths": {
            "/predictions/{model}": _path("predict", "Ask the default version of a model", model),
            "/predictions/{model}/{version}": _path("predictVersion", "Ask one version of a model", model, version),
        },
        "components": {
            "schemas": _requests() | _answers(),
            "requestBodies": {"Request": _request_body()},
            "responses": {"200": _answered()} | {status: _refused(status) for status in REFUSALS},
            "headers": {"X-Model-Version": {"description": VERSION_HEADER, "schema": {"type": "string"}}},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The inference token, where the server asks for one.",
                }
            },
        },
    }


def _path(operation: str, summary: str, *parameters: Schema) -> Schema:
    return {
        "parameters": list(parameters),
        "post": {
            "operationId": operation,
            "summary": summary,
            "requestBody": _ref("requestBodies/Request"),
            "responses": {status: _ref(f"responses/{status}") for status in ("200", *REFUSALS)},
        },
    }


# --- schemas


def _requests() -> Schema:
    """One schema a kind, with the fields that the contract lets it have."""
    _, schemas = msgspec.json.schema_components([Request], ref_template="#/components/schemas/{name}")
    fields = schemas.pop("Request")["properties"]
    schemas["GivenRating"]["oneOf"] = [_needs(field) for field in ("movie_id", "item_id")]
    schemas["Range"]["minProperties"] = 1
    for kind, (description, condition) in KINDS.items():
        schemas[_name(kind)] = {
            "description": description,
            "type": "object",
            "properties": {name: fields[name] for name in fields if name in FIELDS[kind]},
            "additionalProperties": False,
        } | condition
    schemas["Instances"] = {
        "description": "Many requests at once, of any kinds.",
        "type": "object",
        "properties": {"instances": {"type": "array", "items": _one_of(map(_name, KINDS))}},
        "required": ["instances"],
        "additionalProperties": False,
    }
    in_forms = set().union(*(FIELDS[kind] for kind in KINDS))
    scalars = {name: field for name, field in fields.items() if field.get("type") not in ("array", "object")}
    schemas["Form"] = {
        "description": "A request of scalars alone: a score, or a list.",
        "type": "object",
        "properties": {name: field for name, field in scalars.items() if name in in_forms},
        "additionalProperties": False,
    }
    return schemas


def _answers() -> Schema:
    _, schemas = msgspec.json.schema_components([*ANSWERS.values(), Error], ref_template="#/components/schemas/{name}")
    failed = {"type": "object", "properties": {"error": _ref("schemas/Error")}, "required": ["error"]}
    predictions = {"type": "array", "items": {"oneOf": [*_one_of(_answer_names())["oneOf"], failed]}}
    schemas["Predictions"] = {
        "description": "The answers to instances, in their order.",
        "type": "object",
        "properties": {"predictions": predictions},
        "required": ["predictions"],
    }
    return schemas


def _name(kind: str) -> str:
    return f"{kind.capitalize()}Request"


def _answer_names() -> list[str]:
    return [answer.__name__ for answer in ANSWERS.values()]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/{name}"}


def _one_of(names: Iterable[str]) -> Schema:
    return {"oneOf": [_ref(f"schemas/{name}") for name in names]}


# --- bodies and their examples


def _request_body() -> Schema:
    every = {name: one for name, one in examples().items() if one.status == 200}
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": _one_of([*map(_name, KINDS), "Instances"]),
                "examples": {name: _example(one, one.request) for name, one in every.items()},
            },
            "application/x-www-form-urlencoded": {
                "schema": _ref("schemas/Form"),
                "examples": {name: _example(one, one.request) for name, one in every.items() if name in KINDS},
            },
        },
    }


def _answered() -> Schema:
    return _response(
        "The answer.",
        _one_of([*_answer_names(), "Predictions"]),
        {name: _example(one, one.answer) for name, one in examples().items() if one.status == 200},
    )


def _refused(status: str) -> Schema:
    refusals = {name: one for name, one in examples().items() if str(one.status) == status}
    shown = {name: _example(one, one.answer) | _request_shown(one) for name, one in refusals.items()}
    return _response(REFUSALS[status], _ref("schemas/Error"), shown)


def _response(description: str, schema: Schema, shown: Schema) -> Schema:
    return {
        "description": description,
        "headers": {"X-Model-Version": _ref("headers/X-Model-Version")},
        "content": {"application/json": {"schema": schema} | ({"examples": shown} if shown else {})},
    }


def _example(one: Example, value: Any) -> Schema:
    return {"summary": one.summary, "value": value}


def _request_shown(one: Example) -> Schema:
    # One that is refused for its size is too large to show.
    return {} if one.status == 413 else {"x-request": one.request}


def text() -> str:
    """The document as it stands in the repository."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
