"""A batch: a fault of one request spares its neighbours, and each answers as it does alone."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.recommender.api.requests import Request
from tests.conftest import MODELS
from tests.handlers.asking import assert_same, limited

UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
LOOSE = settings(max_examples=150, suppress_health_check=UNCHECKED)


def test_an_id_that_cannot_be_written_is_a_fault_of_its_own_request(services) -> None:
    decoded = [{"user_id": "\ud800", "movie_id": 103}, {"user_id": 11, "movie_id": 103}]
    wrong, right = services["mf"].answer(decoded)
    assert (wrong.code, right.code) == (500, 200)


@pytest.mark.parametrize("step", ["looking up", "running", "encoding"])
def test_a_fault_in_any_step_spares_the_neighbours(services, monkeypatch, step: str) -> None:
    service = services["mf"]
    owner, name = (service._lookup, "resolve") if step == "looking up" else (service._present, "user")
    real = getattr(owner, name)

    def fails(given):
        if getattr(given, "request", given).user_id == 13:
            if step == "encoding":
                return {"user_id": object()}  # JSON has no such value
            raise RuntimeError("a bug")
        return real(given)

    monkeypatch.setattr(owner, name, fails)
    wrong, right = service.answer([b'{"user_id": 13, "k": 3}', b'{"user_id": 11, "k": 3}'])
    assert (wrong.code, right.code) == (500, 200)
    assert json.loads(wrong.body)["type"] == "InternalError"


def test_a_list_that_would_be_too_long_to_send_is_refused(services, build) -> None:
    small = limited(services["mf"], max_answer_bytes=2000)
    (answer,) = small.answer([b'{"user_id": 11, "k": 100}'])
    assert answer.code == 413
    assert "ask for fewer" in json.loads(answer.body)["message"]


def test_a_fault_of_one_request_leaves_its_group_answered(services, monkeypatch) -> None:
    service = services["mf"]
    real = service.model.similar

    def broken(movie, selection):
        if movie.row == 1:
            raise RuntimeError("a bug")
        return real(movie, selection)

    monkeypatch.setattr(service.model, "similar", broken)
    first, second = (service.model.movies.ids[row] for row in (1, 2))
    bodies = [json.dumps({"movie_id": movie}).encode() for movie in (first, second)] + [b'{"user_id": 11}']
    answers = service.answer(bodies)
    assert [answer.code for answer in answers] == [500, 200, 200]
    assert json.loads(answers[0].body)["type"] == "InternalError"


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


beyond = {name: st.sampled_from([0, 0.2, 0.5, 1]) for name in ("diversity", "popularity_damping")}


lists = narrow | unknown | beyond | {"exclude_seen": st.booleans(), "explain": st.booleans()}


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
def test_valid_requests_answer_within_the_contract(services, request) -> None:
    (answer,) = services["fm"].answer([json.dumps(request).encode()])
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
def test_any_json_at_all_gets_an_answer_or_a_4xx(services, request) -> None:
    for model in MODELS:
        (answer,) = services[model].answer([json.dumps(request).encode()])
        body = json.loads(answer.body)
        assert answer.code in (200, 400, 404, 413), body
        if answer.code != 200:
            assert body.keys() == {"code", "type", "message"}
            assert len(body["message"]) < 600


@LOOSE
@given(raw=st.binary(max_size=60))
def test_any_bytes_at_all_get_a_4xx_or_an_answer(services, raw) -> None:
    (answer,) = services["mf"].answer([raw])
    assert answer.code in (200, 400, 404, 413)


@settings(max_examples=40, suppress_health_check=UNCHECKED)
@given(batch=st.lists(st.one_of(valid, mutated()), min_size=2, max_size=12))
def test_a_batch_answers_as_its_members_do_alone(services, batch) -> None:
    for model in MODELS:
        slots = [json.dumps(one).encode() for one in batch]
        together = services[model].answer(slots)
        alone = [services[model].answer([slot])[0] for slot in slots]
        for one, other in zip(together, alone, strict=True):
            assert one.code == other.code
            assert_same(json.loads(one.body), json.loads(other.body))
