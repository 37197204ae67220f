"""Whatever arrives, the answer is the contract's: a value or an error that names field, value and remedy."""

from __future__ import annotations

import json
import math
import string

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.recommender.api.contract import FIELDS, Request
from handlers.recommender.api.jobs import Limits
from handlers.recommender.api.service import Service
from tests.conftest import MODELS

LOOSE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def bodies(raw: bytes) -> list[dict[str, bytes]]:
    return [{"body": raw}]


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
    "who twice": (b'{"user_id": 1, "ratings": [{"movie_id": 1, "rating": 3}]}', "user_id and ratings both", 400),
    "which twice": (b'{"user_id": 1, "movie_id": 1, "movie": {"year": 1999}}', "movie_id and movie both", 400),
    "k beside a pair": (b'{"user_id": 1, "movie_id": 1, "k": 3}', "k is 3", 400),
    "no question": (b'{"k": 3}', "k alone is no question", 400),
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
def test_what_is_wrong_is_named(recommenders, model: str, case: str) -> None:
    raw, said, code = WRONG[case]
    (answer,) = recommenders[model].answer(bodies(raw))
    body = json.loads(answer.body)
    assert answer.code == body["code"] == code
    assert body.keys() == {"code", "type", "message"}
    assert said in body["message"]
    assert len(body["message"]) < 600


def test_a_decoded_body_is_judged_as_a_raw_one(recommenders) -> None:
    flow = recommenders["fm"]
    for raw, _, code in WRONG.values():
        try:
            decoded = json.loads(raw, parse_constant=lambda name: math.nan)
        except (ValueError, RecursionError):
            continue
        (answer,) = flow.answer([{"body": decoded}])
        assert answer.code == code, raw[:80]
        json.loads(answer.body)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"movie": {"genres": 5}, "user_id": 11}, "movie.genres is 5"),
        ({"movie": {"genres": 1.5}, "user_id": 11}, "movie.genres is 1.5"),
        ({"user": {"age": 10**400}, "movie_id": 103}, "user.age is 1000"),
        ({"user": {"age": []}, "movie_id": 103}, "user.age is []"),
    ],
)
def test_a_side_feature_of_another_kind_is_an_error_of_its_own_request(recommenders, given, named) -> None:
    good = b'{"user_id": 11, "k": 3}'
    wrong, right = recommenders["fm"].answer(bodies(json.dumps(given).encode()) + bodies(good))
    assert (wrong.code, right.code) == (400, 200)
    assert named in json.loads(wrong.body)["message"]


@pytest.mark.parametrize(
    ("model", "given", "known"),
    [
        ("fm", {"user": {"shoe_size": 43}}, "of a user gender, age, occupation; of a movie genres, year"),
        ("of likes", {"user": {"gender": "F"}}, "it knows of a user none; of a movie genres, year"),
        ("of likes", {"movie": {"colour": "red"}}, "it knows of a user none; of a movie genres, year"),
        ("mf", {"movie": {"genres": "Comedy"}}, "it uses ids only"),
    ],
)
def test_features_that_are_known_are_named_by_side(recommenders, of_likes, model: str, given, known: str) -> None:
    flow = of_likes if model == "of likes" else recommenders[model]
    (answer,) = flow.answer(bodies(json.dumps(given).encode()))
    assert answer.code == 400
    message = json.loads(answer.body)["message"]
    assert "is not a side feature of this model" in message
    assert message.endswith(known)


def test_a_model_of_likes_says_so(of_likes) -> None:
    described = of_likes.describe()
    assert (described["score"], described["scale"]) == ("probability of a like", None)


@pytest.mark.parametrize(("model", "setting", "names"), [
    ("mf", None, 50), ("mf", 3, 3), ("mf", 0, 0), ("mf", 10**6, None),
    ("of likes", None, 0), ("of likes", 50, 50), ("of likes", 0, 0),
])  # fmt: skip
def test_whom_a_description_names(recommenders, of_likes, model: str, setting: int | None, names: int | None) -> None:
    """Ids that are texts may be e-mail addresses: nobody's unless the setting says so."""
    flow = of_likes if model == "of likes" else recommenders[model]
    described = Service(flow.archive, Limits(named_users=setting), flow.device).describe()
    archive, named = flow.archive, described["some_users"]
    rated = [one for row, one in enumerate(archive.users.ids) if len(archive.seen(row))]
    assert len(named) == (len(rated) if names is None else names)
    assert len(set(named)) == len(named)
    assert set(named) <= set(rated)


def test_a_number_of_named_users_below_zero_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="named_users"):
        msgspec.convert({"named_users": -1}, Limits)


def test_an_id_that_cannot_be_written_is_a_fault_of_its_own_request(recommenders) -> None:
    decoded = [{"body": {"user_id": "\ud800", "movie_id": 103}}, {"body": {"user_id": 11, "movie_id": 103}}]
    wrong, right = recommenders["mf"].answer(decoded)
    assert (wrong.code, right.code) == (500, 200)


@pytest.mark.parametrize("broken", ["resolver.resolve", "_who"])
def test_a_fault_before_or_after_the_scores_spares_the_neighbours(recommenders, monkeypatch, broken: str) -> None:
    flow = recommenders["mf"]
    owner = flow.resolver if "." in broken else flow
    name = broken.split(".")[-1]
    real = getattr(owner, name)

    def fails(one):
        if getattr(one, "request", one).user_id == 13:
            if name == "_who":
                return {"user_id": object()}  # cannot be written
            raise RuntimeError("a bug")
        return real(one)

    monkeypatch.setattr(owner, name, fails)
    wrong, right = flow.answer(bodies(b'{"user_id": 13, "k": 3}') + bodies(b'{"user_id": 11, "k": 3}'))
    assert (wrong.code, right.code) == (500, 200)


def test_a_list_that_would_be_too_long_to_send_is_refused(recommenders, build) -> None:
    flow = recommenders["mf"]
    small = Service(flow.archive, msgspec.structs.replace(Limits(), max_answer_bytes=2000), flow.device)
    (answer,) = small.answer(bodies(b'{"user_id": 11, "k": 100}'))
    assert answer.code == 413
    assert "ask for fewer" in json.loads(answer.body)["message"]


def test_k_beyond_the_catalogue_is_cut(recommenders, planted) -> None:
    (answer,) = recommenders["mf"].answer(bodies(b'{"user_id": "nobody", "k": 100000000000000000000}'))
    assert len(json.loads(answer.body)["recommendations"]) == len(planted.log.movies)


def test_a_user_who_has_seen_everything_gets_an_empty_list(answer, planted) -> None:
    ratings = [{"movie_id": one, "rating": 3} for one in planted.log.movies["movie_id"].tolist()]
    (body,) = answer("fm", [{"ratings": ratings}])
    assert json.loads(body.body) == {"recommendations": []}


def test_a_fault_of_ours_in_one_request_spares_its_neighbours(recommenders, monkeypatch) -> None:
    flow = recommenders["mf"]
    real = flow._similar

    def broken(job) -> None:
        if job.movie_row == 1:
            raise RuntimeError("a bug")
        real(job)

    monkeypatch.setattr(flow, "_similar", broken)
    first, second = (flow.archive.movies.ids[row] for row in (1, 2))
    answers = flow.answer(
        [{"body": json.dumps({"movie_id": one}).encode()} for one in (first, second)] + bodies(b'{"user_id": 11}')
    )
    assert [one.code for one in answers] == [500, 200, 200]
    assert json.loads(answers[0].body)["type"] == "InternalError"


# --- properties over the whole schema

ids = st.one_of(st.integers(1, 400), st.sampled_from(["103", "x", "", "007"]), st.integers(10**18, 10**20))
ratings = st.lists(st.fixed_dictionaries({"movie_id": ids, "rating": st.floats(1, 5)}), min_size=1, max_size=6)
people = st.dictionaries(
    st.sampled_from(["gender", "age", "occupation"]),
    st.sampled_from(["F", "M", "x", 25, 70.5, "teacher", None]),
    min_size=1,
).map(lambda one: {k: v for k, v in one.items() if k != "age" or not isinstance(v, str)} or {"gender": "F"})
who = st.one_of(
    st.fixed_dictionaries({"user_id": ids}),
    st.fixed_dictionaries({"ratings": ratings}, optional={"user": people}),
    st.fixed_dictionaries({"user": people}),
)
unknown = {"on_unknown": st.just("fallback")}
narrow = {
    "k": st.integers(1, 2000),
    "exclude": st.lists(ids, max_size=5),
    "candidates": st.lists(ids, max_size=30),
    "genres": st.lists(st.sampled_from(["Comedy", "Drama", "None"]), min_size=1, max_size=3),
}
movies = st.fixed_dictionaries({"genres": st.just(["Comedy"])}, optional={"year": st.integers(1900, 2030)})
lists = narrow | unknown | {"exclude_seen": st.booleans(), "explain": st.booleans()}
which = st.one_of(st.fixed_dictionaries({"movie_id": ids}), st.fixed_dictionaries({"movie": movies}))
valid = st.one_of(
    st.builds(dict.__or__, who, which).flatmap(
        lambda one: st.fixed_dictionaries({}, optional=unknown | {"timestamp": st.integers(0, 2**40)}).map(
            lambda more: one | more
        )
    ),
    st.builds(
        dict.__or__, who,
        st.fixed_dictionaries({}, optional=lists),
    ),
    st.builds(
        dict.__or__,
        st.fixed_dictionaries({"movie_id": st.sampled_from([103, 106, "109"])}),
        st.fixed_dictionaries({}, optional=narrow),
    ),
    st.fixed_dictionaries({"user_id": ids, "history": st.just(True)}),
    st.fixed_dictionaries(
        {"catalogue": st.just(True)}, optional={"offset": st.integers(0, 10**6), "k": st.integers(1, 2000)}
    ),
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(string.printable, max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=6,
)


@st.composite
def mutated(draw):
    request = dict(draw(valid))
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from([*Request.__struct_fields__, "", "id"]))
        if draw(st.booleans()):
            request.pop(name, None)
        else:
            request[name] = draw(anything)
    return request


@LOOSE
@given(request=valid)
def test_valid_requests_answer_within_the_contract(recommenders, request) -> None:
    (answer,) = recommenders["fm"].answer([{"body": json.dumps(request).encode()}])
    body = json.loads(answer.body)
    assert answer.code == 200, body
    for entry in body.get("recommendations", []) + body.get("similar", []):
        assert {"movie_id", "title", "year", "genres", "score"} <= entry.keys()
        assert -1 <= entry["score"] <= 5
    if "score" in body:
        assert 1 <= body["score"] <= 5
    if "k" in request and "recommendations" in body:
        assert len(body["recommendations"]) <= request["k"]


@LOOSE
@given(request=st.one_of(mutated(), anything))
def test_any_json_at_all_gets_an_answer_or_a_4xx(recommenders, request) -> None:
    for model in MODELS:
        (answer,) = recommenders[model].answer([{"body": json.dumps(request).encode()}])
        body = json.loads(answer.body)
        assert answer.code in (200, 400, 404, 413), body
        if answer.code != 200:
            assert body.keys() == {"code", "type", "message"}
            assert len(body["message"]) < 600


@LOOSE
@given(raw=st.binary(max_size=60))
def test_any_bytes_at_all_get_a_4xx_or_an_answer(recommenders, raw) -> None:
    (answer,) = recommenders["mf"].answer(bodies(raw))
    assert answer.code in (200, 400, 404, 413)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(st.one_of(valid, mutated()), min_size=2, max_size=12))
def test_a_batch_answers_as_its_members_do_alone(recommenders, batch) -> None:
    for model in MODELS:
        slots = [{"body": json.dumps(one).encode()} for one in batch]
        together = recommenders[model].answer(slots)
        alone = [recommenders[model].answer([slot])[0] for slot in slots]
        for one, other in zip(together, alone, strict=True):
            assert one.code == other.code
            assert_same(json.loads(one.body), json.loads(other.body))


def assert_same(one, other) -> None:
    """Equal, numbers within 1e-4; entries whose scores are that close may have changed places."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            if name in ("recommendations", "similar"):
                assert [entry["score"] for entry in one[name]] == pytest.approx(
                    [entry["score"] for entry in other[name]], abs=1e-4
                )
            else:
                assert_same(one[name], other[name])
    elif isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-4)
    elif isinstance(one, list):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


def test_every_field_belongs_to_a_kind() -> None:
    assert set().union(*FIELDS.values()) == set(Request.__struct_fields__)
