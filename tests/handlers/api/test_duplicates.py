"""A key that is given twice is refused, wherever it stands; what only looks like one is not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.recommender.api.decode import Form
from handlers.recommender.api.duplicates import Repeated
from handlers.recommender.api.service import Service
from handlers.recommender.fast import pairs
from handlers.recommender.hosts.forms import body_of

SLASH = "\\"


REPEATED = {
    "a pair": ('{"user_id": 196, "user_id": 197, "movie_id": 242}', "user_id", "as 196 and as 197"),
    "the last key": ('{"user_id": 11, "movie_id": 103, "movie_id": 106}', "movie_id", "as 103 and as 106"),
    "the shortest": ('{"user_id":1,"user_id":1,"movie_id":1}', "user_id", "as 1 and as 1"),
    "an escaped key": (f'{{"user_id": 11, "user{SLASH}u005fid": 13, "movie_id": 103}}', "user_id", "13"),
    "a value with a colon": ('{"user_id": "a:b", "user_id": "c", "movie_id": 103}', "user_id", '"a:b"'),
    "an escaped colon": (f'{{"user_id": "a", "user_id": "{SLASH}u003a", "movie_id": 103}}', "user_id", '":"'),
    "three times": ('{"user_id": 1, "movie_id": 103, "user_id": 2, "user_id": 3}', "user_id", "1"),
    "a long number": (f'{{"user_id": 1, "k": {"9" * 4000}, "k": 3}}', "k", "999"),
    "a list": ('{"user_id": 11, "k": 3, "k": 4}', "k", "as 3 and as 4"),
    "in a rating": ('{"ratings": [{"movie_id": 103, "rating": 3, "rating": 4}]}', "rating", "as 3 and as 4"),
    "beside a null": ('{"ratings": [{"movie_id": 103, "rating": null, "rating": 4}]}', "rating", "as null and as 4"),
    "all ratings": ('{"ratings": [{"movie_id": 103, "rating": 3}], "ratings": [{"movie_id": 106, "rating": 3}]}',
                    "ratings", '[{"movie_id":103,"rating":3}]'),
    "in side features": ('{"user": {"age": 25, "age": 30}, "movie_id": 103}', "age", "as 25 and as 30"),
    "in a movie's": ('{"user_id": 11, "movie": {"year": 1999, "genres": ["a:b"], "year": 1950}}', "year", "1950"),
}  # fmt: skip


FINE = {
    "a pair": ('{"user_id": "urn:a:1", "movie_id": "m:2"}', True),
    "long ids": (f'{{"user_id": "{"u" * 40}", "movie_id": {10**15}}}', True),
    "a key as a value": ('{"user_id": "user_id", "movie_id": "movie_id"}', True),
    "an escape": (f'{{"user_id": "a:{SLASH}"", "movie_id": 103}}', True),
    "side features": ('{"user": {"occupation": "a: b", "age": 25}, "movie": {"genres": ["x:y", ":"]}}', False),
    "nulls": ('{"ratings": [{"movie_id": "a:1", "rating": 3}, {"movie_id": 2, "rating": 4}]}', False),
    "the same key in other objects": ('{"user": {"age": 25}, "movie_id": "age:25"}', False),
}


def ask(service: Service, *bodies: str | bytes) -> list[tuple[int, Any]]:
    answers = service.answer([one.encode() if isinstance(one, str) else one for one in bodies])
    return [(one.code, json.loads(one.body)) for one in answers]


@pytest.mark.parametrize("case", REPEATED)
def test_a_repeated_key_is_refused_and_named(services, case: str) -> None:
    body, key, values = REPEATED[case]
    good = '{"user_id": 11, "movie_id": 103}'
    refused, fine = ask(services["fm"], body, good)
    assert (refused[0], fine[0]) == (400, 200)
    assert f'"{key}" is given more than once' in refused[1]["message"]
    assert values in refused[1]["message"]
    assert len(refused[1]["message"]) < 600


@pytest.mark.parametrize("case", REPEATED)
@pytest.mark.parametrize("beside", ['{"user_id": 13, "movie_id": 106}', '{"user_id": 13, "k": 2}'])
def test_in_instances_it_is_an_error_in_its_place(services, case: str, beside: str) -> None:
    body, key, _ = REPEATED[case]
    ((code, answer),) = ask(services["fm"], f'{{"instances": [{beside}, {body}, {beside}]}}')
    assert code == 200
    before, refused, after = answer["predictions"]
    assert before == after
    assert "error" not in before
    assert f'"{key}" is given more than once' in refused["error"]["message"]


@pytest.mark.parametrize("inside", ["", '{"user_id": 11, "movie_id": 103}', '{"user_id": "a:b", "k": 3}'])
def test_instances_that_are_given_twice_are_refused(services, inside: str) -> None:
    ((code, answer),) = ask(services["fm"], f'{{"instances": [{inside}], "instances": [{inside}]}}')
    assert code == 400
    assert "instances is given twice" in answer["message"]


@pytest.mark.parametrize("case", FINE)
def test_colons_in_strings_are_no_keys(services, case: str) -> None:
    body, is_pair = FINE[case]
    ((code, answer),) = ask(services["fm"], body)
    assert code == 200, answer
    assert (pairs.reader_of("movie")(body.encode()) is not None) == is_pair


@pytest.mark.parametrize(
    ("form", "key", "values"),
    [
        ({"user_id": Repeated(b"196", b"197"), "movie_id": b"242"}, "user_id", 'as "196" and as "197"'),
        ({"user_id": b"11", "k": Repeated(b"3", b"3")}, "k", 'as "3" and as "3"'),
        ({"user_id": b"11", "exclude_seen": Repeated(b"true", b"\xff")}, "exclude_seen", 'as "true" and as '),
        ({"body": Repeated(b'{"user_id": 11}', b"{}")}, "body", "as "),
        ({"data": Repeated(b"{}", b"1" * 5000)}, "data", 'as "{}" and as "111'),
    ],
)
def test_a_field_that_a_form_repeats_is_refused_and_named(services, form: Any, key: str, values: str) -> None:
    refused, fine = services["fm"].answer([body_of(form), Form({"user_id": b"11", "movie_id": b"103"})])
    assert (refused.code, fine.code) == (400, 200)
    message = json.loads(refused.body)["message"]
    assert f'"{key}" is given more than once, {values}' in message
    assert len(message) < 600


def test_many_keys_take_no_long_time_to_look_through(services) -> None:
    features = ", ".join(f'"{number}": 1' for number in range(60_000))
    body = f'{{"user": {{{features}, "0": 2}}, "movie_id": 103}}'
    seconds = []
    for _ in range(3):
        started = time.process_time()
        ((code, answer),) = ask(services["fm"], body)
        seconds.append(time.process_time() - started)
        assert code == 400
        assert '"0" is given more than once' in answer["message"]
    assert min(seconds) < 5


texts = st.text(st.sampled_from('ab:"\\{}é'), max_size=6)


ids = st.integers(1, 400) | texts


requests = st.one_of(
    st.fixed_dictionaries({"user_id": ids, "movie_id": ids}),
    st.fixed_dictionaries({"user_id": ids}, optional={"k": st.integers(1, 5), "exclude": st.lists(ids, max_size=3)}),
    st.fixed_dictionaries(
        {"ratings": st.lists(st.fixed_dictionaries({"movie_id": ids, "rating": st.integers(1, 5)}), min_size=1)},
        optional={"user": st.fixed_dictionaries({"occupation": texts}, optional={"age": st.integers(1, 99)})},
    ),
)


@st.composite
def texts_with_repeats(draw: st.DrawFn) -> tuple[str, bool]:
    """A request as JSON, and whether one of its objects was written with a key too many."""
    request = draw(requests)
    objects = [request, *request.get("ratings", []), *([request["user"]] if "user" in request else [])]
    chosen = draw(st.sampled_from(objects)) if draw(st.booleans()) else None

    def written(value: Any) -> str:
        if isinstance(value, list):
            return f"[{', '.join(map(written, value))}]"
        if not isinstance(value, dict):
            return json.dumps(value, ensure_ascii=draw(st.booleans()))
        members = [f"{json.dumps(name)}: {written(one)}" for name, one in value.items()]
        if value is chosen:
            again = draw(st.sampled_from(sorted(value)))
            members.insert(draw(st.integers(0, len(members))), f"{json.dumps(again)}: {written(value[again])}")
        return f"{{{', '.join(members)}}}"

    return written(request), chosen is not None


UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=300, suppress_health_check=UNCHECKED)
@given(st.lists(texts_with_repeats(), min_size=1, max_size=4))
def test_what_is_written_twice_is_refused_and_nothing_else(services, drawn: list[tuple[str, bool]]) -> None:
    service = services["fm"]
    bodies = [text for text, _ in drawn]
    ((_, together),) = ask(service, f'{{"instances": [{", ".join(bodies)}]}}')
    for (code, answer), (_, repeats), instance in zip(
        ask(service, *bodies), drawn, together["predictions"], strict=True
    ):
        assert code == (400 if repeats else 200), answer
        assert ("given more than once" in answer.get("message", "")) == repeats
        assert ("given more than once" in instance.get("error", {}).get("message", "")) == repeats
