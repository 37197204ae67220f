"""What every recommender promises, ours and the libraries that ours is measured against, on data whose answer is known.

Two kinds of movies and two kinds of users. A user rates the movies of the own kind high, except for one that is left
out: that is the best answer. Two movies of the other kind they rate low.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from benchmarks.quality.peers import PEERS
from training.data import RatingsLog
from training.estimators import ESTIMATORS, Recommender
from training.interactions import encode

USERS, MOVIES = 40, 20
SMALL = {"n_factors": 4, "sample_factors": 3, "sweeps": 30, "burn_in": 10, "list_factors": (4,), "list_ridges": (20.0,)}


OURS: dict[str, Callable[..., Recommender]] = {name: partial(ESTIMATORS[name], **SMALL) for name in ESTIMATORS}
LIBRARIES: dict[str, dict[str, Callable[..., Recommender]]] = {
    "surprise": {"Surprise": partial(PEERS["surprise"], n_factors=4, n_epochs=60, lr_all=0.02)},
    "myfm": {"myFM": partial(PEERS["myfm"], rank=3, sweeps=60, blocks="histories")},
    "implicit": {
        "implicit ALS": partial(PEERS["implicit"], factors=4, regularization=1.0, alpha=4.0),
        "implicit BPR": partial(PEERS["implicit"], algorithm="implicit, BPR", factors=4, iterations=200),
    },
    "scipy": {"EASE": partial(PEERS["ease"], ridge=1.0)},
    "lightfm": {"LightFM": partial(PEERS["lightfm"], no_components=4, epochs=60)},
    "torch_geometric": {"LightGCN": partial(PEERS["lightgcn"], n_factors=4, learning_rate=0.05, epochs=60)},
}
INSTALLED = {library: peers for library, peers in LIBRARIES.items() if find_spec(library)}
RECOMMENDERS = OURS | {name: peer for peers in INSTALLED.values() for name, peer in peers.items()}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_peer_keeps_the_contract(library: str) -> None:
    """Says why the class below has no peer of a library; it tests the peers of all others."""
    if library not in INSTALLED:
        pytest.skip(f"{library} is not installed (make .venv-quality/installed makes an environment that has it)")


def left_out(user: int) -> int:
    """The movie of the user's own kind that they have not rated."""
    return (2 * (user // 2) + user % 2) % MOVIES


@pytest.fixture(scope="module")
def ratings() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        liked = [movie for movie in range(user % 2, MOVIES, 2) if movie != left_out(user)]
        disliked = rng.choice(np.arange(1 - user % 2, MOVIES, 2), 2, replace=False)
        rows += [(f"u{user}", f"m{movie}", float(rng.integers(4, 6))) for movie in liked]
        rows += [(f"u{user}", f"m{movie}", float(rng.integers(1, 3))) for movie in disliked]
    table = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"])
    return table.astype({"user_id": "str", "movie_id": "str"})


@pytest.fixture(scope="module", params=RECOMMENDERS, ids=str)
def make(request: pytest.FixtureRequest) -> Callable[..., Recommender]:
    return RECOMMENDERS[request.param]


@pytest.fixture(scope="module")
def fitted(make: Callable[..., Recommender], ratings: pd.DataFrame) -> Recommender:
    return make(seed=0).fit(ratings)


@pytest.fixture(scope="module")
def users(ratings: pd.DataFrame) -> list[str]:
    return ratings["user_id"].unique().tolist()


class TestEveryRecommender:
    def test_fit_returns_the_recommender(self, make, ratings) -> None:
        recommender = make(seed=0)
        assert recommender.fit(ratings) is recommender

    def test_before_a_fit_nothing_is_answered(self, make) -> None:
        with pytest.raises(NotFittedError, match="call fit first"):
            make(seed=0).predict(["u0"], ["m0"])
        with pytest.raises(NotFittedError, match="call fit first"):
            make(seed=0).recommend(["u0"])

    def test_a_score_for_each_pair(self, fitted, ratings) -> None:
        scores = fitted.predict(ratings["user_id"], ratings["movie_id"])
        assert scores.shape == (len(ratings),)
        assert scores.dtype == np.float32
        assert np.isfinite(scores).all()

    def test_the_planted_preference_is_found(self, fitted, users) -> None:
        own = fitted.predict(users, [f"m{left_out(user)}" for user in range(USERS)])
        other = fitted.predict(users, [f"m{left_out(user + 1)}" for user in range(USERS)])
        assert np.mean(own > other) > 0.9

    def test_the_planted_best_answer_comes_first(self, fitted, users) -> None:
        listed = fitted.recommend(users, k=1)
        best = [f"m{left_out(user)}" for user in range(USERS)]
        assert listed["user_id"].tolist() == users
        assert np.mean(listed["movie_id"].to_numpy() == best) > 0.9

    def test_lists_are_as_long_as_asked_for_and_hold_nothing_twice(self, fitted, users) -> None:
        listed = fitted.recommend(users, k=5)
        assert listed.columns.tolist() == ["user_id", "movie_id", "score"]
        assert listed["user_id"].tolist() == [user for user in users for _ in range(5)]
        assert not listed.duplicated(["user_id", "movie_id"]).any()

    def test_a_lists_scores_are_those_of_the_pairs(self, fitted, users) -> None:
        listed = fitted.recommend(users[:3], k=5)
        expected = fitted.predict(listed["user_id"], listed["movie_id"])
        np.testing.assert_allclose(listed["score"], expected, rtol=1e-4, atol=1e-5)

    def test_what_a_user_has_rated_is_in_no_list_and_the_rest_is(self, fitted, ratings, users) -> None:
        """A k beyond the catalogue gives all that is left."""
        listed = fitted.recommend(users, k=10 * MOVIES)
        everything = {(user, f"m{movie}") for user in users for movie in range(MOVIES)}
        rated = set(zip(ratings["user_id"], ratings["movie_id"], strict=True))
        assert set(zip(listed["user_id"], listed["movie_id"], strict=True)) == everything - rated
        assert len(listed) == len(everything - rated)

    def test_unknown_ids_are_answered(self, fitted) -> None:
        scores = fitted.predict(["nobody", "u0", "nobody"], ["m0", "nothing", "nothing"])
        assert np.isfinite(scores).all()
        listed = fitted.recommend(["nobody"], k=10 * MOVIES)
        assert set(listed["movie_id"]) == {f"m{movie}" for movie in range(MOVIES)}

    def test_a_batch_is_answered_as_each_alone(self, fitted, ratings, users) -> None:
        few = ratings.iloc[:20]
        scores = fitted.predict(few["user_id"], few["movie_id"])
        alone = [fitted.predict([user], [movie])[0] for user, movie in zip(few["user_id"], few["movie_id"])]
        np.testing.assert_allclose(scores, alone, rtol=1e-4, atol=1e-5)
        together = fitted.recommend(users[:6], k=3)
        each = pd.concat([fitted.recommend([user], k=3) for user in users[:6]], ignore_index=True)
        assert together["movie_id"].tolist() == each["movie_id"].tolist()

    def test_a_log_without_timestamps_has_no_moments(self, fitted, ratings) -> None:
        pairs = ratings["user_id"], ratings["movie_id"]
        np.testing.assert_array_equal(fitted.predict(*pairs, range(len(ratings))), fitted.predict(*pairs))

    def test_nobody_asked_is_nothing_answered(self, fitted) -> None:
        assert fitted.predict([], []).shape == (0,)
        assert len(fitted.recommend([], k=3)) == 0

    def test_the_same_seed_gives_the_same_answers(self, make, fitted, ratings, users) -> None:
        again = make(seed=0).fit(ratings)
        np.testing.assert_array_equal(
            again.predict(ratings["user_id"], ratings["movie_id"]),
            fitted.predict(ratings["user_id"], ratings["movie_id"]),
        )
        pd.testing.assert_frame_equal(again.recommend(users, k=3), fitted.recommend(users, k=3))

    def test_a_table_a_log_and_its_rows_are_the_same(self, make, fitted, ratings) -> None:
        log = RatingsLog("planted", ratings.astype({"rating": "float32"}))
        for same in (log, encode(log, use_features=False)):
            again = make(seed=0).fit(same)
            pair = ["u0", "u1"], ["m1", "m1"]
            np.testing.assert_array_equal(again.predict(*pair), fitted.predict(*pair))

    def test_what_cannot_be_asked_is_named(self, fitted) -> None:
        with pytest.raises(ValueError, match="2 users and 1 items"):
            fitted.predict(["u0", "u1"], ["m0"])
        with pytest.raises(ValueError, match="1 timestamps and 2 users"):
            fitted.predict(["u0", "u1"], ["m0", "m1"], [0])
        with pytest.raises(ValueError, match="timestamps are float64: give whole seconds"):
            fitted.predict(["u0", "u1"], ["m0", "m1"], [0.5, np.nan])
        with pytest.raises(ValueError, match="k is 0"):
            fitted.recommend(["u0"], k=0)
