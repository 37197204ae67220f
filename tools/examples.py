"""The examples of the OpenAPI document: requests, and the answers that fm gives to them on MovieLens 100K.

``python -m tools.examples`` writes the answers anew, from the FM that ``make train MODEL=fm`` has left in build/.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from handlers.recommender.api.service import Service

ANSWERS = Path(__file__).with_name("answers.json")
NOBODY = 999_999
SHOWN = 2  # of the movies of a history


class Example(NamedTuple):
    """A request, the status and the body that answer it."""

    summary: str
    request: dict[str, Any]
    answer: dict[str, Any]
    status: int = 200


def examples(user: int = 196, movie: int = 242, other: int = 50) -> dict[str, Example]:
    """Every example, asked about one user and two movies. The answers are those to the defaults."""
    answers = json.loads(ANSWERS.read_text())
    return {
        name: Example(summary, request, answers[name], *status)
        for name, (summary, request, *status) in requests(user, movie, other).items()
    }


def requests(user: int = 196, movie: int = 242, other: int = 50) -> dict[str, tuple[Any, ...]]:
    """The summary of each example, its request, and its status where that is not 200."""
    pair = {"user_id": user, "movie_id": movie}
    woman = {"gender": "F", "age": 25}
    comedy = {"genres": ["Comedy"], "year": 1999}
    likes = [{"movie_id": other, "rating": 5}]
    unknown = {"user_id": NOBODY, "movie_id": movie, "on_unknown": "error"}
    return {
        "score": ("The score of a pair", pair),
        "score_for_somebody_new": (
            "The score for somebody known by a rating and side features",
            {"ratings": likes, "user": woman, "movie_id": movie},
        ),
        "score_of_a_new_movie": (
            "The score of a movie known by its side features (FM and DeepFM)",
            {"user_id": user, "movie": comedy},
        ),
        "score_for_an_unknown_user": (
            "An id that the model does not know: the average user's score, and the answer says so",
            {"user_id": NOBODY, "movie_id": movie},
        ),
        "recommend": ("The best movies that a user has not rated", {"user_id": user, "k": 2}),
        "recommend_and_explain": ("The same with reasons", {"user_id": user, "k": 1, "explain": True}),
        "recommend_with_fresh_ratings": (
            "For a user of the log, with a rating that the model does not know yet",
            {"user_id": user, "ratings": likes, "k": 2},
        ),
        "recommend_to_somebody_new": (
            "For somebody whom the model has never seen, by their ratings",
            {"ratings": [*likes, {"movie_id": movie, "rating": 1}], "k": 2},
        ),
        "recommend_out_of": (
            "For somebody known by side features, out of some movies and genres",
            {"user": woman, "candidates": [movie, other, NOBODY], "exclude": [movie], "genres": ["Action", "Comedy"]},
        ),
        "similar": ("Movies like one of the catalogue", {"movie_id": other, "k": 2}),
        "similar_to_a_new_movie": (
            "Movies like one that is known by its side features (FM and DeepFM)",
            {"movie": comedy, "k": 1},
        ),
        "browse": (
            "For nobody in particular: what was popular in the last 7 days of the log",
            {"recent_days": 7, "k": 2},
        ),
        "browse_the_newest": ("What is new: the movie with the latest first rating", {"newest": True, "k": 1}),
        "history": ("What a user has rated (shortened)", {"user_id": user, "history": True}),
        "catalogue": ("A page of the movies", {"catalogue": True, "offset": 49, "k": 2}),
        "instances": ("Several at once; one that fails is an error in its place", {"instances": [pair, unknown]}),
        "k_of_zero": ("A value out of its range", {"user_id": user, "k": 0}, 400),
        "user_said_twice": ("A user of the log, and somebody new", {"user_id": user, "user": woman}, 400),
        "unknown_id": ("An id that the model does not know, where that is to be an error", unknown, 404),
        "too_many_instances": ("1001 instances", {"instances": [pair] * 1001}, 413),
    }


def answered(service: Service) -> dict[str, Any]:
    """What a model answers to the requests, by their names."""
    asked = requests()
    answers = service.answer([json.dumps(request).encode() for _, request, *_ in asked.values()])
    found = {name: json.loads(answer.body) for name, answer in zip(asked, answers, strict=True)}
    del found["history"]["history"][SHOWN:]
    return found


if __name__ == "__main__":
    from handlers.recommender.loading import load_service

    ANSWERS.write_text(json.dumps(answered(load_service(Path(*sys.argv[1:] or ("build",)) / "fm")), indent=1) + "\n")
