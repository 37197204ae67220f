"""Lists for nobody in particular, against the log that the models were trained on."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from handlers.recommender.api.service import Service
from handlers.recommender.loading import load_service
from tests.conftest import MODELS, train_small
from tests.handlers.asking import movies, said
from training.data import RatingsLog, generate
from training.data.files import read_log
from training.data.naming import ColumnNames

DAY = 86_400


def ask(service: Service, **request: object) -> dict:
    (body,) = said(service.answer([msgspec.json.encode(request)]))
    return body


def by_count(ratings: pd.DataFrame, ids: list) -> list:
    """Ids by how often each is in some rows, ties by id, without those that are not."""
    counts = ratings["movie_id"].value_counts()
    return sorted((movie for movie in ids if movie in counts), key=lambda movie: (-counts[movie], movie))


@pytest.mark.parametrize("model", MODELS)
def test_without_anybody_a_list_has_what_is_popular(model, services, planted) -> None:
    log = planted.log
    body = ask(services[model], k=30)
    assert movies(body) == by_count(log.ratings, log.movies["movie_id"].tolist())[:30]
    counts = log.ratings["movie_id"].value_counts()
    assert [one["ratings"] for one in body["recommendations"]] == [counts[movie] for movie in movies(body)]
    pairs = [{"user_id": 10**9, "movie_id": movie} for movie in movies(body)]
    scores = [one["score"] for one in said(services[model].answer([json.dumps(pair).encode() for pair in pairs]))]
    assert [one["score"] for one in body["recommendations"]] == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize("days", [1, 7, 30, 365, 10_000])
def test_of_late_only_the_last_days_of_the_log_count(days: int, services, planted) -> None:
    log = planted.log
    late = log.ratings[log.ratings["timestamp"] > log.ratings["timestamp"].max() - days * DAY]
    body = ask(services["mf"], k=20, recent_days=days)
    expected = by_count(late, log.movies["movie_id"].tolist())
    known = [one for one in body["recommendations"] if one["ratings"]]
    assert [one["movie_id"] for one in known] == expected[:20]
    assert [one["ratings"] for one in known] == late["movie_id"].value_counts()[expected[:20]].tolist()


def test_the_newest_are_those_whose_first_rating_is_the_latest(services, planted) -> None:
    first = planted.log.ratings.groupby("movie_id")["timestamp"].min()
    expected = sorted(first.index, key=lambda movie: (-first[movie], movie))[:25]
    body = ask(services["fm"], k=25, newest=True)
    assert movies(body) == expected
    assert [one["added"] for one in body["recommendations"]] == first[expected].tolist()
    assert services["fm"].describe()["newest_by"] == "log"
    assert services["fm"].describe()["last_timestamp"] == planted.log.ratings["timestamp"].max()


@pytest.mark.parametrize("order", [{}, {"recent_days": 90}, {"newest": True}])
def test_such_lists_are_narrowed_like_all_others(order: dict, services) -> None:
    service = services["fm"]
    everything = ask(service, k=1000, **order)["recommendations"]
    comedies = [one["movie_id"] for one in everything if "Comedy" in one["genres"]]
    rest = comedies[1:]
    assert 3 < len(comedies) < len(everything)
    assert movies(ask(service, k=1000, genres=["Comedy"], **order)) == comedies
    assert movies(ask(service, k=1000, genres=["Comedy"], exclude=comedies[:1], **order)) == rest
    assert movies(ask(service, k=2, candidates=rest, **order)) == rest[:2]


def test_explored_places_are_marked_and_the_seed_fixes_them(services) -> None:
    for who in ({}, {"user_id": 11}, {"ratings": [{"movie_id": 103, "rating": 5}]}):
        asked = who | {"k": 50, "explore": 0.3, "seed": 4}
        body = ask(services["fm"], **asked)
        assert body == ask(services["fm"], **asked)
        marked = [one.get("explored", False) for one in body["recommendations"]]
        assert 5 < sum(marked) < 25
        assert len(set(movies(body))) == len(movies(body))
        assert "explored" not in json.dumps(ask(services["fm"], **who, k=50))
    assert ask(services["mf"], k=9, explore=0) == ask(services["mf"], k=9)


def with_released(log: RatingsLog, values: list) -> RatingsLog:
    return dataclasses.replace(log, movies=log.movies.assign(released=pd.Series(values, dtype="str")))


def test_a_column_of_dates_says_what_is_new(tmp_path: Path) -> None:
    log = generate(seed=3, users=60, movies=40, ratings=900).log
    dates = [f"2020-01-{1 + place % 28:02}" if place % 5 else "" for place in range(40)]
    service = load_service(train_small("mf", with_released(log, dates), tmp_path, sweeps=3, burn_in=1) / "mf")
    body = ask(service, k=40, newest=True)
    dated = {movie: date for movie, date in zip(log.movies["movie_id"], dates, strict=True) if date}
    counts = log.ratings["movie_id"].value_counts().reindex(log.movies["movie_id"], fill_value=0)
    expected = sorted(dated, key=lambda movie: (-pd.Timestamp(dated[movie]).value, -counts[movie], movie))
    assert movies(body) == expected
    assert body["recommendations"][0]["added"] == pd.Timestamp(dated[expected[0]]).value // 10**9
    assert service.describe()["newest_by"] == "released"


def test_an_archive_that_does_not_know_when_says_so(build: Path, tmp_path: Path) -> None:
    """One of an earlier release, or of a log without timestamps."""
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    metadata = json.loads((folder / "metadata.json").read_text())
    for name in ("last_timestamp", "added_by", "expects_ratings"):
        del metadata[name]
    (folder / "metadata.json").write_text(json.dumps(metadata))
    for name in ("rating_ages", "rating_age_offsets", "movie_added", "expected_ratings"):
        (folder / f"{name}.npy").unlink()
    service = load_service(folder)
    assert len(movies(ask(service, k=5))) == 5
    for field, value in {"recent_days": 7, "newest": True}.items():
        (answer,) = service.answer([msgspec.json.encode({"k": 5, field: value})])
        assert answer.code == 400
        message = json.loads(answer.body)["message"]
        assert message.startswith(f"{field} is {json.dumps(value)}: this archive does not know when")
        assert "timestamp" in message


def test_likes_have_such_lists_too(of_likes: Service) -> None:
    body = ask(of_likes, k=5)
    counts = [one["ratings"] for one in body["recommendations"]]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] > 0
    assert max(one["ratings"] for one in ask(of_likes, k=5, recent_days=30)["recommendations"]) < counts[0]
    added = [one["added"] for one in ask(of_likes, k=80, newest=True)["recommendations"]]
    assert added == sorted(added, reverse=True)


def test_what_nobody_has_rated_has_the_place_that_its_features_promise(services, build, tmp_path: Path) -> None:
    """Planted: of two movies without ratings one has the features of what is popular."""
    folder = Path(shutil.copytree(build / "fm", tmp_path / "fm"))
    counts, expected = (np.load(folder / f"{name}.npy") for name in ("rating_counts", "expected_ratings"))
    counts[[5, 6]] = 0
    expected[[5, 6]] = counts.max() + 0.5, 0.25
    np.save(folder / "rating_counts.npy", counts)
    np.save(folder / "expected_ratings.npy", expected)
    ids = services["fm"].model.movies.ids
    listed = movies(ask(load_service(folder), k=1000))
    assert listed[0] == ids[5]
    assert listed.index(ids[6]) >= np.count_nonzero(counts)


def test_repeats_are_what_is_popular_and_the_first_time_is_when_a_movie_came(tmp_path: Path) -> None:
    """Planted: one user plays an old song three times in the last week, and four users play another one before it."""
    rows = [("a", "old", 0), *[("a", "old", (100 - day) * DAY) for day in (0, 2, 4)]]
    rows += [(user, "past", 80 * DAY) for user in "abcd"] + [("b", "new", 90 * DAY), ("b", "new", 99 * DAY)]
    rows += [(user, f"song-{number}", (number + 5) * DAY) for number in range(9) for user in "abcd"]
    path = tmp_path / "plays.csv"
    pd.DataFrame(rows, columns=["listener", "song", "time"]).to_csv(path, index=False)
    log = read_log(path, names=ColumnNames.parse("user=listener,item=song,time=time"))
    service = load_service(train_small("mf", log, tmp_path, target="like", method="als", list_factors=(2,)) / "mf")

    def counts(**order: object) -> dict[str, int]:
        return {one["item_id"]: one["ratings"] for one in ask(service, **order)["recommendations"] if one["ratings"]}

    assert counts(k=9, recent_days=7) == {"old": 3, "new": 1}
    assert counts(k=99)["old"] == 1  # in the whole log a user counts once
    added = {one["item_id"]: one["added"] for one in ask(service, k=99, newest=True)["recommendations"]}
    assert list(added)[:2] == ["new", "past"]
    assert (added["new"], added["old"]) == (90 * DAY, 0)
