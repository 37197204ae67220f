"""Whatever arrives, the answer is the contract's: a value or an error that names field, value and remedy."""

from __future__ import annotations

import json
import math

import pytest

from tests.conftest import MODELS

WRONG = {
    "not JSON": (b"nope", "not JSON", 400),
    "cut off": (b'{"user_id": 1', "not JSON", 400),
    "invalid UTF-8": (b'{"user_id": "\xff"}', "not JSON", 400),
    "nothing": (b"", "empty", 400),
    "blanks": (b"  \n", "empty", 400),
    "empty object": (b"{}", "empty", 400),
    "a list": (b"[1, 2]", "[1,2]", 400),
    "null": (b"null", "null", 400),
    "k 0": (b'{"user_id": 1, "k": 0}', "k is 0", 400),
    "k -5": (b'{"user_id": 1, "k": -5}', "k is -5", 400),
    "k 1e99": (b'{"user_id": 1, "k": 1e99}', "k is 1e", 400),
    "k a word": (b'{"user_id": 1, "k": "ten"}', 'k is "ten"', 400),
    "diversity 2": (b'{"user_id": 1, "diversity": 2}', "diversity is 2: expected float <= 1", 400),
    "diversity -1": (b'{"user_id": 1, "diversity": -0.5}', "diversity is -0.5: expected float >= 0", 400),
    "diversity a word": (b'{"user_id": 1, "diversity": "some"}', 'diversity is "some"', 400),
    "diversity of similar movies": (b'{"movie_id": 103, "diversity": 0.5}', "diversity is 0.5: a similar request", 400),
    "diversity of a pair": (b'{"user_id": 1, "movie_id": 1, "diversity": 0.5}', "diversity is 0.5: a score", 400),
    "damping 1.5": (b'{"user_id": 1, "popularity_damping": 1.5}', "popularity_damping is 1.5: expected", 400),
    "damping of a history": (b'{"user_id": 1, "history": true, "popularity_damping": 1}', "damping is 1.0: a h", 400),
    "k null": (b'{"user_id": 1, "k": null}', "k is null", 400),
    "id true": (b'{"user_id": true}', "user_id is true", 400),
    "id 1.5": (b'{"user_id": 1.5}', "user_id is 1.5", 400),
    "id null": (b'{"user_id": null, "movie_id": 1}', "user_id is null", 400),
    "id a list": (b'{"user_id": [1]}', "user_id is [1]", 400),
    "NaN": (b'{"ratings": [{"movie_id": 1, "rating": NaN}]}', "not JSON", 400),
    "no ratings": (b'{"ratings": []}', "ratings is []", 400),
    "a rating of 11": (b'{"ratings": [{"movie_id": 103, "rating": 11}]}', "ratings[0].rating is 11: give", 400),
    "a huge rating": (b'{"ratings": [{"movie_id": 103, "rating": 1e308}]}', "ratings[0].rating is 1e+308", 400),
    "a rating without value": (b'{"ratings": [{"movie_id": 103}]}', "ratings[0].rating is missing", 400),
    "a rating without movie": (b'{"ratings": [{"rating": 3}]}', "movie_id", 400),
    "unknown field": (b'{"user_id": 1, "kk": 3}', '"kk" is not a field', 400),
    "unknown field inside": (b'{"ratings": [{"movie_id": 1, "rating": 3, "x": 1}]}', '"x" in ratings[0]', 400),
    "who twice": (b'{"user_id": 1, "user": {"age": 25}}', "user_id and user both", 400),
    "a fresh 11": (b'{"user_id": 1, "ratings": [{"movie_id": 103, "rating": 11}]}', "rating is 11: give", 400),
    "fresh ratings of a history": (
        b'{"user_id": 1, "history": true, "ratings": [{"movie_id": 103, "rating": 3}]}', "a history request", 400,
    ),
    "which twice": (b'{"user_id": 1, "movie_id": 1, "movie": {"year": 1999}}', "movie_id and movie both", 400),
    "k beside a pair": (b'{"user_id": 1, "movie_id": 1, "k": 3}', "k is 3", 400),
    "no question": (b'{"explain": true}', "explain alone is no question", 400),
    "recent days of somebody": (b'{"user_id": 1, "recent_days": 7}', "recent_days is 7: a recommend request", 400),
    "new and of late": (b'{"newest": true, "recent_days": 7}', "newest and recent_days do not go together", 400),
    "no day": (b'{"recent_days": 0}', "recent_days is 0", 400),
    "explore above one": (b'{"user_id": 1, "explore": 1.5}', "explore is 1.5", 400),
    "history of nobody": (b'{"history": true}', "user_id", 400),
    "history false": (b'{"user_id": 1, "history": false}', "history is false", 400),
    "fields beside instances": (b'{"instances": [], "k": 3}', "k stands beside instances", 400),
    "instances a number": (b'{"instances": 3}', "instances is 3", 400),
    "too many instances": (json.dumps({"instances": [{}] * 1001}).encode(), "1001 requests: send at most 1000", 413),
    "a million candidates": (
        json.dumps({"user_id": 1, "candidates": list(range(1_000_000))}).encode(), "candidates has 1000000", 413,
    ),
    "an empty genre list": (b'{"user_id": 1, "genres": []}', "genres is []", 400),
    "deep nesting": (b'{"user_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", 400),
    "similar to the unknown": (b'{"movie_id": 999999999}', "movie_id is 999999999", 404),
    "unknown and unwanted": (b'{"user_id": 999999999, "on_unknown": "error"}', "user_id is 999999999", 404),
    "on_unknown otherwise": (b'{"user_id": 1, "on_unknown": "guess"}', 'on_unknown is "guess"', 400),
    "a time before time": (b'{"user_id": 1, "movie_id": 103, "timestamp": -1}', "timestamp is -1", 400),
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(services, model: str, case: str) -> None:
    raw, said, code = WRONG[case]
    (answer,) = services[model].answer([raw])
    body = json.loads(answer.body)
    assert answer.code == body["code"] == code
    assert body.keys() == {"code", "type", "message"}
    assert said in body["message"]
    assert len(body["message"]) < 600


def test_a_decoded_body_is_judged_as_a_raw_one(services) -> None:
    service = services["fm"]
    for raw, _, code in WRONG.values():
        try:
            decoded = json.loads(raw, parse_constant=lambda name: math.nan)
        except (ValueError, RecursionError):
            continue
        (answer,) = service.answer([decoded])
        assert answer.code == code, raw[:80]
        json.loads(answer.body)
