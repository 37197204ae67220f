"""A planted log of likes that side features explain only together: what a perceptron can learn and pairs cannot.

Whether a user likes a movie depends on the parity of three things: their gender, whether they are under 40, and whether
the movie is a comedy. Any two of the three say nothing, so a factorization machine, whose score is a sum over pairs of
features, learns this only by heart: a vector for each user. Every user has few ratings, and the users of the test rows
have none at all.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from training.data import RatingsLog, Split

STRENGTH = 2.0  # in logits
BIAS = 0.5  # standard deviation of a movie's own popularity, in logits
LIKED, DISLIKED = 4.0, 2.0


def generate(
    seed: int = 0, users: int = 6000, movies: int = 300, each: int = 15
) -> tuple[RatingsLog, Split, np.ndarray]:
    """The log of ``each`` ratings a user; its split by users, 7 : 1 : 2; and the true probabilities [n] of a like."""
    rng = np.random.default_rng(seed)
    female, age, comedy = rng.random(users) < 0.5, rng.integers(16, 66, users), rng.random(movies) < 0.5
    who = np.repeat(np.arange(users), each)
    what = np.argsort(rng.random((users, movies)), axis=1)[:, :each].ravel()
    odd = female[who] ^ (age[who] < 40) ^ comedy[what]
    probability = expit(np.where(odd, STRENGTH, -STRENGTH) + rng.normal(0, BIAS, movies)[what])
    likes = rng.random(len(who)) < probability
    log = RatingsLog(
        "crossed",
        pd.DataFrame(
            {"user_id": 1 + who, "movie_id": 1 + what, "rating": np.where(likes, LIKED, DISLIKED).astype("float32")}
        ),
        users=pd.DataFrame(
            {
                "user_id": 1 + np.arange(users),
                "gender": pd.Series(np.where(female, "F", "M"), dtype="str"),
                "age": age,
            }
        ),
        movies=pd.DataFrame(
            {
                "movie_id": 1 + np.arange(movies),
                "title": pd.Series([f"Film {number}" for number in range(1, 1 + movies)], dtype="str"),
                "year": pd.array([None] * movies, "Int64"),
                "genres": pd.Series(np.where(comedy, "Comedy", "Drama"), dtype="str"),
            }
        ),
        user_features=("gender", "age"),
        movie_features=("genres",),
    )
    ends = np.cumsum([0.7, 0.1, 0.2]) * users
    parts = (np.flatnonzero((who >= first) & (who < end)) for first, end in zip([0, *ends], ends))
    return log, Split(*parts), probability
