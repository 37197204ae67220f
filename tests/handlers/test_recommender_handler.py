"""The request contract, against a real server of each kind (tests/handlers/conftest.py), for all three models."""

from __future__ import annotations

import json

import numpy as np
import pytest
import requests
import torch

from archives.ids import MOVIES, USERS, ids_in
from tests.conftest import MODELS, Client
from tests.ray_serve import MANAGED
from training.data import RatingsLog

EVERY_MODEL = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(scope="module")
def log(planted) -> RatingsLog:
    return planted.log


@pytest.fixture(scope="module")
def user(log: RatingsLog) -> int:
    return int(log.ratings["user_id"].value_counts().index[0])


@pytest.fixture(scope="module")
def seen(log: RatingsLog, user: int) -> set[int]:
    return set(log.ratings["movie_id"][log.ratings["user_id"] == user].tolist())


@pytest.fixture(scope="module")
def movie(log: RatingsLog) -> int:
    return int(log.ratings["movie_id"].value_counts().index[0])


def ids(entries: list[dict]) -> list[int]:
    return [entry["movie_id"] for entry in entries]


@EVERY_MODEL
class TestEveryModel:
    def test_a_pair_gets_its_score(self, client: Client, model: str, user: int, movie: int) -> None:
        response = client.post(model, {"user_id": user, "movie_id": movie})
        assert response.headers["X-Model-Version"] == "1.0"
        assert response.headers["Content-Type"] == "application/json"
        answer = response.json()
        assert list(answer) == ["user_id", "movie_id", "score"]
        low, high = (0, 1) if model == "deepfm" else (1, 5)
        assert low <= answer["score"] <= high

    def test_a_list_holds_unseen_movies_with_the_scores_of_their_pairs(self, client, model, user, seen) -> None:
        entries = client.ask(model, {"user_id": user, "k": 20})["recommendations"]
        assert len(entries) == 20
        assert not seen & set(ids(entries))
        assert list(entries[0]) == ["movie_id", "title", "year", "genres", "score"]
        for entry in entries:
            pair = client.ask(model, {"user_id": user, "movie_id": entry["movie_id"]})
            assert pair["score"] == pytest.approx(entry["score"], abs=1e-4)

    def test_narrowing_combines(self, client: Client, model: str, user: int, seen, log) -> None:
        everything = log.movies["movie_id"].tolist()
        whole = ids(client.ask(model, {"user_id": user, "k": 1000, "exclude_seen": False})["recommendations"])
        assert sorted(whole) == sorted(everything)
        left = client.ask(
            model,
            {"user_id": user, "candidates": whole[:40], "exclude": whole[:3], "genres": ["Comedy", "Drama"], "k": 1000},
        )["recommendations"]
        genres = dict(zip(log.movies["movie_id"], log.movies["genres"]))
        expected = [one for one in whole[3:40] if one not in seen and {"Comedy", "Drama"} & set(genres[one].split("|"))]
        assert ids(left) == expected

    def test_diversity_and_damping_change_lists_and_zero_is_none(self, client: Client, model: str, user: int) -> None:
        plain = client.ask(model, {"user_id": user, "k": 10})
        assert client.ask(model, {"user_id": user, "k": 10, "diversity": 0, "popularity_damping": 0}) == plain
        for field in ("diversity", "popularity_damping"):
            asked = {"user_id": user, "k": 10, field: 0.9}
            changed = client.ask(model, asked)
            assert ids(changed["recommendations"]) != ids(plain["recommendations"])
            assert client.ask(model, {"instances": [asked, {"user_id": user, "k": 10}]})["predictions"] == [
                changed,
                plain,
            ]
            form = requests.post(f"{client.server.inference}/predictions/{model}", data=asked, timeout=30)
            assert form.json() == changed
            response = client.post(model, asked | {field: 1.1})
            assert response.status_code == 400
            assert response.json()["message"].startswith(f"{field} is 1.1")

    def test_similar_movies_are_rated_by_the_same_people(self, client: Client, model: str, log) -> None:
        raters = log.ratings.groupby("movie_id")["user_id"].agg(set)
        for one in raters.index[raters.map(len).argsort()[::-1][:20]]:
            shared = raters.drop(one).map(lambda others, own=raters[one]: len(own & others))
            entries = client.ask(model, {"movie_id": int(one), "k": 5})["similar"]
            assert all(0 < entry["score"] <= 1 for entry in entries)
            assert shared[ids(entries)].mean() > 1.5 * shared.mean()

    def test_opposite_ratings_give_other_lists(self, client: Client, model: str, planted) -> None:
        cluster = dict(zip(planted.log.movies["movie_id"].tolist(), planted.truth.movie_cluster.tolist()))
        first, second = ([one for one in cluster if cluster[one] == which][:6] for which in (0, 1))
        share = []
        for good, bad in ((first, second), (second, first)):
            ratings = [{"movie_id": one, "rating": 5} for one in good] + [{"movie_id": one, "rating": 1} for one in bad]
            entries = client.ask(model, {"ratings": ratings, "k": 10})["recommendations"]
            assert not set(good + bad) & set(ids(entries))
            share.append(np.mean([cluster[one] == 0 for one in ids(entries)]))
        assert share[0] > share[1]

    def test_a_new_user_gets_the_score_of_one_pair(self, client: Client, model: str, movie: int, log) -> None:
        other = int(log.movies["movie_id"].iloc[-1])
        scores = [
            client.ask(model, {"ratings": [{"movie_id": movie, "rating": rating}], "movie_id": other})["score"]
            for rating in (1, 5)
        ]
        assert scores[0] != scores[1]

    def test_history_is_what_the_log_says(self, client: Client, model: str, user: int, log) -> None:
        answer = client.ask(model, {"user_id": user, "history": True})
        rows = log.ratings[log.ratings["user_id"] == user].sort_values("movie_id")
        assert [(one["movie_id"], one["rating"]) for one in answer["history"]] == list(
            zip(rows["movie_id"].tolist(), rows["rating"].tolist())
        )

    def test_catalogue_pages_join_up(self, client: Client, model: str, log) -> None:
        first = client.ask(model, {"catalogue": True, "k": 60})
        rest = client.ask(model, {"catalogue": True, "offset": 60, "k": 1000})
        entries = first["catalogue"] + rest["catalogue"]
        assert first["total"] == len(entries) == len(log.movies)
        assert ids(entries) == sorted(log.movies["movie_id"].tolist())
        counts = log.ratings["movie_id"].value_counts()
        assert all(entry["ratings"] == counts.get(entry["movie_id"], 0) for entry in entries)
        assert all(-1 <= entry["x"] <= 1 and -1 <= entry["y"] <= 1 for entry in entries)

    def test_unknown_ids_fall_back_and_are_named(self, client: Client, model: str, user: int, movie: int) -> None:
        one = client.ask(model, {"user_id": 10**9, "movie_id": movie})
        assert one["unknown"] == ["user_id"]
        two = client.ask(model, {"user_id": "nobody", "movie_id": "nothing"})
        assert two["unknown"] == ["user_id", "movie_id"]
        three = client.ask(
            model,
            {
                "ratings": [{"movie_id": movie, "rating": 4}, {"movie_id": 10**9, "rating": 4}],
                "candidates": [10**8, movie],
                "exclude": [10**7],
                "genres": ["Comedy", "Nonsense"],
            },
        )
        assert three["unknown"] == ["ratings[1].movie_id", "candidates[0]", "exclude[0]", "genres[1]"]
        assert client.ask(model, {"user_id": 10**9, "history": True}) == {
            "user_id": 10**9,
            "history": [],
            "unknown": ["user_id"],
        }

    def test_unknown_ids_are_an_error_where_that_is_wanted(self, client: Client, model: str, movie: int) -> None:
        response = client.post(model, {"user_id": 10**9, "movie_id": movie, "on_unknown": "error"})
        assert response.status_code == 404
        assert response.json()["type"] == "UnknownId"
        assert "1000000000" in response.json()["message"]
        assert client.post(model, {"movie_id": 10**9}).status_code == 404

    def test_instances_answer_in_order_and_a_bad_one_in_its_place(self, client, model, user, movie) -> None:
        instances = [{"user_id": user, "movie_id": movie}, {"user_id": user, "k": 0}, {"movie_id": movie, "k": 2}]
        predictions = client.ask(model, {"instances": instances})["predictions"]
        assert predictions[0] == client.ask(model, instances[0])
        assert predictions[1]["error"]["code"] == 400
        assert predictions[1]["error"]["message"].startswith("k is 0")
        assert ids(predictions[2]["similar"]) == ids(client.ask(model, instances[2])["similar"])
        assert client.ask(model, {"instances": []}) == {"predictions": []}

    def test_forms_raw_bytes_and_decimal_strings(self, client: Client, model: str, user: int, movie: int) -> None:
        url = f"{client.server.inference}/predictions/{model}"
        expected = client.ask(model, {"user_id": user, "movie_id": movie})
        form = {"user_id": str(user), "movie_id": str(movie)}
        assert requests.post(url, data=form, timeout=30).json() == expected
        assert client.ask(model, form) == expected
        body = json.dumps({"user_id": user, "movie_id": movie}).encode()
        assert requests.put(url, data=body, timeout=30).json() == expected
        form = requests.post(url, data={"user_id": user, "k": 3, "exclude_seen": "false"}, timeout=30).json()
        assert ids(form["recommendations"]) == ids(
            client.ask(model, {"user_id": user, "k": 3, "exclude_seen": False})["recommendations"]
        )

    def test_a_key_that_is_given_twice_is_refused(self, client: Client, model: str, user: int, movie: int) -> None:
        url = f"{client.server.inference}/predictions/{model}"
        body = f'{{"user_id": {user}, "user_id": {user + 2}, "movie_id": {movie}}}'
        response = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        assert response.status_code == 400
        assert '"user_id" is given more than once' in response.json()["message"]
        fields = [("user_id", str(user)), ("user_id", str(user + 2)), ("movie_id", str(movie))]
        multipart = [(name, (None, value)) for name, value in fields]
        for response in (requests.post(url, data=fields, timeout=30), requests.post(url, files=multipart, timeout=30)):
            assert response.status_code == 400
            said = f'"user_id" is given more than once, as "{user}" and as "{user + 2}"'
            assert said in response.json()["message"]

    def test_json_sent_as_a_form_is_told_what_to_do(self, client: Client, model: str, user: int) -> None:
        url = f"{client.server.inference}/predictions/{model}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        response = requests.post(url, data=json.dumps({"user_id": user}), headers=headers, timeout=30)
        assert response.status_code == 400
        assert "Content-Type: application/json" in response.json()["message"]

    def test_served_scores_are_those_of_the_network(self, client: Client, model: str, log, build) -> None:
        network = torch.jit.load(str(build / model / f"{model}.pt")).eval()
        encoded, catalogue = (
            torch.from_numpy(np.load(build / model / f"{side}_encodings.npy")) for side in ("user", "item")
        )
        users, movies = ([None, *ids_in(build / model, side)] for side in (USERS, MOVIES))
        with torch.no_grad():
            raw = network.score_all(encoded[1:101], catalogue[1:])
        expected = raw.sigmoid() if model == "deepfm" else raw.clamp(1, 5)
        for row, scores in enumerate(expected.tolist(), start=1):
            instances = [{"user_id": users[row], "movie_id": one} for one in movies[1:]]
            answers = client.ask(model, {"instances": instances})["predictions"]
            assert [one["score"] for one in answers] == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize("model", ["fm", "deepfm"])
def test_a_user_known_by_side_features_only(client: Client, model: str, log: RatingsLog, movie: int) -> None:
    people = log.users.iloc[[0, 1]]
    features = [{name: person[name] for name in log.user_features} for _, person in people.iterrows()]
    features = [{name: getattr(value, "item", lambda v=value: v)() for name, value in one.items()} for one in features]
    scores = [client.ask(model, {"user": one, "movie_id": movie})["score"] for one in features]
    unknown = client.ask(model, {"user_id": "nobody", "movie_id": movie})["score"]
    assert len({*scores, unknown}) > 1
    answer = client.ask(model, {"user": features[0] | {"occupation": "astronaut"}, "movie_id": movie})
    assert answer["unknown"] == ["user.occupation"]
    response = client.post(model, {"user": {"shoe_size": 43}, "movie_id": movie})
    assert response.status_code == 400
    assert "user.shoe_size" in response.json()["message"]


def test_ids_only_models_say_that_they_take_no_features(client: Client, movie: int) -> None:
    response = client.post("mf", {"user": {"gender": "F"}, "movie_id": movie})
    assert response.status_code == 400
    assert "ids only" in response.json()["message"]


@pytest.mark.parametrize("model", ["fm", "deepfm"])
def test_a_new_movie_by_its_features(client: Client, model: str, user: int) -> None:
    scores = {
        genre: client.ask(model, {"user_id": user, "movie": {"genres": [genre], "year": 1999}})["score"]
        for genre in ("Comedy", "Drama", "Horror")
    }
    assert len(set(scores.values())) == 3
    entries = client.ask(model, {"movie": {"genres": ["Comedy"], "year": 1999}, "k": 5})["similar"]
    assert all("Comedy" in entry["genres"] for entry in entries)


@pytest.mark.parametrize("host", MANAGED, indirect=True, scope="session")
@EVERY_MODEL
def test_describe_says_what_the_archive_is(client: Client, model: str, log: RatingsLog) -> None:
    url = f"{client.server.management}/models/{model}?customized=true"
    described = requests.get(url, timeout=30).json()[0]["customizedMetadata"]
    assert described["model"] == model
    assert described["data"]["sha256"] == log.sha256
    assert described["users"] == len(log.users)
    assert len(described["some_users"]) == 50
    assert set(described["some_users"]) <= set(log.ratings["user_id"])
    assert described["metrics"]["test"]["rows"] == 1400
    assert described["limits"]["max_k"] == 1000
    assert len(described["sha256"]) == 64
    assert described["score"] == ("probability of a rating above 3" if model == "deepfm" else "rating from 1 to 5")
