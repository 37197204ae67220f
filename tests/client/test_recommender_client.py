"""The Python client: every kind of question to a real server, and what it does about servers that misbehave."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from client import recommender_client as ours
from client.recommender_client import Recommender, RecommenderError
from handlers.recommender.api.requests import FIELDS
from serving.server import Server
from tests.client.conftest import BREAKS_OFF, HANGS_UP
from tests.conftest import MODELS

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=MODELS)
def recommender(request: pytest.FixtureRequest, server: Server) -> Iterator[Recommender]:
    with Recommender(server.inference, model=request.param, timeout=60) as one:
        yield one


@pytest.fixture(scope="module")
def user(planted) -> int:
    return int(planted.log.ratings["user_id"].value_counts().index[0])


@pytest.fixture(scope="module")
def movie(planted) -> int:
    return int(planted.log.ratings["movie_id"].value_counts().index[0])


class TestAnswers:
    def test_a_score(self, recommender: Recommender, user: int, movie: int) -> None:
        answer = recommender.score(user_id=user, movie_id=movie)
        assert (answer.user_id, answer.movie_id, answer.unknown) == (user, movie, [])
        assert isinstance(answer.score, float)

    def test_a_list_and_its_reasons(self, recommender: Recommender, user: int) -> None:
        plain = recommender.recommend(user_id=user, k=3).recommendations
        assert len(plain) == 3
        assert not plain[0].because
        (first, *_) = recommender.recommend(user_id=user, k=3, explain=True).recommendations
        assert (first.movie_id, first.title) == (plain[0].movie_id, plain[0].title)
        assert sum(reason.share for reason in first.because) == pytest.approx(first.personal, abs=1e-5)
        assert first.because[-1].remainder

    def test_a_list_for_somebody_new(self, recommender: Recommender, movie: int) -> None:
        answer = recommender.recommend(ratings=[{"movie_id": movie, "rating": 5}], k=3, candidates=[movie, 10**9])
        assert not answer.user_id
        assert answer.recommendations == []
        assert answer.unknown == ["candidates[1]"]

    def test_similar_movies_history_and_catalogue(self, recommender: Recommender, user: int, movie: int) -> None:
        assert len(recommender.similar(movie_id=movie, k=3).similar) == 3
        assert movie in {one.movie_id for one in recommender.catalogue().catalogue}
        assert recommender.catalogue(offset=1, k=2).total == recommender.catalogue().total
        assert recommender.history(user).history[0].rating

    def test_many_at_once(self, recommender: Recommender, user: int, movie: int) -> None:
        pair = {"user_id": user, "movie_id": movie}
        kinds = [pair, {"user_id": user}, {"movie_id": movie}, {"user_id": user, "history": True}, {"catalogue": True}]
        *answers, failed = recommender.many([*kinds, pair | {"k": 3}])
        assert [type(one) for one in answers] == list(ours.ANSWERS.values())
        assert answers[0] == recommender.score(**pair)
        assert isinstance(failed, RecommenderError)
        assert (failed.code, failed.type) == (400, "InvalidRequest")

    def test_more_at_once_than_one_request_may_have(self, server: Server, planted, user: int) -> None:
        movies = planted.log.movies["movie_id"].tolist()
        pairs = [{"user_id": user, "movie_id": one} for one in movies * 25 + [*movies[:7], 10**9]]  # 2,508
        with Recommender(server.inference, "fm", timeout=60) as recommender:
            answers = recommender.many(iter(pairs))
            assert [one.movie_id for one in answers] == [one["movie_id"] for one in pairs]
            assert answers[-1].unknown == ["movie_id"]
            assert len({one.score for one in answers[::100]}) == 1

    def test_larger_bodies_than_one_request_may_be(self, server: Server, user: int, movie: int) -> None:
        many_ids = {"user_id": user, "k": 2, "candidates": [movie] * 9_000}
        pair, too_large = {"user_id": user, "movie_id": movie}, {"movie_id": "x" * ours.MOST_BYTES}
        bodies = [*[many_ids] * 60, pair, too_large]
        assert len(msgspec.json.encode(bodies)) > 3 * ours.MOST_BYTES
        with Recommender(server.inference, "fm", timeout=60) as recommender:
            *lists, scored, refused = recommender.many(bodies)
        assert len(lists) == 60
        assert all(isinstance(one, ours.Recommendations) for one in lists)
        assert isinstance(scored, ours.Score)
        assert isinstance(refused, RecommenderError)
        assert refused.code == 413

    def test_answers_that_are_too_large_together_come_one_by_one(self, misbehaving, impatient) -> None:
        too_large = (413, b'{"code": 413, "type": "TooLarge", "message": "ask for fewer"}')
        one = (200, b'{"predictions": [{"movie_id": 1, "score": 1.5}]}')
        two = (200, b'{"predictions": [{"movie_id": 2, "score": 2.5}, {"movie_id": 3, "score": 3.5}]}')
        server = misbehaving(too_large, one, two)
        answers = impatient(server.url).many([{"movie_id": number} for number in (1, 2, 3)])
        assert [answer.score for answer in answers] == [1.5, 2.5, 3.5]
        sent = [[one["movie_id"] for one in body["instances"]] for body in server.bodies]
        assert sent == [[1, 2, 3], [1], [2, 3]]

    def test_a_version(self, server: Server, user: int, movie: int) -> None:
        pair = {"user_id": user, "movie_id": movie}
        pinned, default = (Recommender(server.inference, "fm", timeout=60, version=one) for one in ("1.0", None))
        assert pinned.score(**pair) == default.score(**pair)
        with pytest.raises(RecommenderError) as caught:
            Recommender(server.inference, "fm", timeout=60, version="9.9").score(**pair)
        assert (caught.value.code, caught.value.type) == (404, "ModelVersionNotFoundException")

    def test_an_error_carries_what_the_server_said(self, recommender: Recommender) -> None:
        with pytest.raises(RecommenderError) as caught:
            recommender.recommend(user_id=10**9, on_unknown="error")
        assert (caught.value.code, caught.value.type) == (404, "UnknownId")
        assert "1000000000" in caught.value.message
        assert caught.value.message in str(caught.value)

    def test_a_request_of_any_kind_gets_its_answer_as_it_was_sent(self, recommender: Recommender, user: int) -> None:
        answer = recommender.ask({"user_id": user, "k": 3})
        assert [entry["movie_id"] for entry in answer["recommendations"]] == [
            entry.movie_id for entry in recommender.recommend(user_id=user, k=3).recommendations
        ]
        with pytest.raises(RecommenderError, match="InvalidRequest"):
            recommender.ask({"user_id": user, "k": 0})

    def test_an_answer_is_all_that_the_server_sent(self, server: Server, user: int) -> None:
        body = {"user_id": user, "k": 3, "explain": True}
        sent = requests.post(f"{server.inference}/predictions/fm", json=body, timeout=30).json()
        answer = Recommender(server.inference, "fm", timeout=60).recommend(**body)
        assert msgspec.to_builtins(answer) == sent | {"unknown": []}


@pytest.mark.parametrize(
    ("kind", "request_type"),
    [("score", ours.ScoreRequest), ("recommend", ours.RecommendRequest), ("similar", ours.SimilarRequest)],
)
def test_the_client_takes_what_the_contract_takes(kind: str, request_type: type) -> None:
    also = FIELDS["browse"] if kind == "recommend" else set()  # ``recommend`` asks for nobody in particular too
    assert set(request_type.__annotations__) == FIELDS[kind] | also


def test_it_installs_as_one_module(tmp_path: Path) -> None:
    source = tmp_path / "client"
    shutil.copytree(ROOT / "client", source, ignore=shutil.ignore_patterns("stubs", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(tmp_path / "installed"), str(source)], check=True)
    assert [path.name for path in (tmp_path / "installed").glob("*.py")] == ["recommender_client.py"]


# --- servers that misbehave

GOOD = (200, b'{"user_id": 1, "movie_id": 2, "score": 3.5}')
BUSY = (503, b'{"code": 503, "type": "ServiceUnavailableException", "message": "no worker is free"}')
DIED = (500, b'{"code": 500, "type": "InternalServerException", "message": "Worker died."}')
HANG_UP = (HANGS_UP, b"")


@pytest.fixture
def impatient() -> Iterator[Callable[..., Recommender]]:
    """Makes clients that wait next to nothing between attempts."""
    made = []

    def make(url: str, **options: Any) -> Recommender:
        made.append(Recommender(url, "fm", **({"longest_wait": 0.01} | options)))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestRetries:
    @pytest.mark.parametrize("trouble", [BUSY, DIED, HANG_UP], ids=["busy", "died", "hang up"])
    def test_passing_trouble_is_sat_out(self, misbehaving, impatient, trouble) -> None:
        server = misbehaving(trouble, trouble, GOOD)
        assert impatient(server.url).score(user_id=1, movie_id=2).score == 3.5
        assert server.bodies == [{"user_id": 1, "movie_id": 2}] * 3

    @pytest.mark.parametrize("trouble", [BUSY, DIED], ids=["busy", "died"])
    def test_lasting_trouble_is_raised_after_the_last_try(self, misbehaving, impatient, trouble) -> None:
        server = misbehaving(trouble)
        with pytest.raises(RecommenderError) as caught:
            impatient(server.url, retries=2).score(user_id=1, movie_id=2)
        assert caught.value.code == trouble[0]
        assert len(server.bodies) == 3

    def test_a_broken_answer_is_asked_for_again(self, misbehaving, impatient) -> None:
        server = misbehaving((BREAKS_OFF, GOOD[1]), GOOD)
        assert impatient(server.url).score(user_id=1, movie_id=2).score == 3.5
        assert len(server.bodies) == 2

    def test_nobody_there(self, misbehaving, impatient) -> None:
        server = misbehaving(GOOD)
        server.shutdown()
        server.server_close()
        with pytest.raises(requests.ConnectionError):
            impatient(server.url).score(user_id=1, movie_id=2)

    def test_other_errors_are_raised_at_once(self, misbehaving, impatient) -> None:
        for status, body, kind in [
            (400, b'{"code": 400, "type": "InvalidRequest", "message": "k is 0"}', "InvalidRequest"),
            (413, b"", "Request Entity Too Large"),
            (502, b"<html>Bad Gateway</html>", "Bad Gateway"),
            (200, b"<html>a proxy's page</html>", "NotAnAnswer"),
        ]:
            server = misbehaving((status, body))
            with pytest.raises(RecommenderError) as caught:
                impatient(server.url).score(user_id=1, movie_id=2)
            assert (caught.value.code, caught.value.type) == (status, kind)
            assert len(server.bodies) == 1

    def test_a_slow_answer_times_out_and_is_not_asked_for_again(self, misbehaving, impatient) -> None:
        server = misbehaving(GOOD, pause=120)
        with pytest.raises(requests.ReadTimeout):
            impatient(server.url, timeout=2).score(user_id=1, movie_id=2)
        assert len(server.bodies) == 1

    def test_waits_are_random_and_grow_to_their_bound(self) -> None:
        recommender = Recommender("http://localhost", "fm", longest_wait=1.0)
        retrying = recommender._retrying

        def waits(attempt: int) -> list[float]:
            state = type("State", (), {"attempt_number": attempt})
            return [retrying.wait(state) for _ in range(200)]

        bounds = [max(waits(attempt)) for attempt in (1, 2, 3, 9)]
        assert bounds == sorted(bounds)
        assert bounds[0] <= 0.2
        assert bounds[-1] <= 1.0
        assert len(set(waits(3))) > 100

    def test_the_token_is_sent(self, misbehaving, impatient) -> None:
        server = misbehaving(GOOD)
        impatient(server.url, token="abc").score(user_id=1, movie_id=2)
        assert server.headers[0]["Authorization"] == "Bearer abc"
