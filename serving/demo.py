"""One answer to each kind of request, with the curl line that gives it."""

from __future__ import annotations

import json
import shlex
from typing import Any

import requests

from .answers import id_of

LONGEST = 400  # characters of an answer that are shown


def requests_of_each_kind(user: Any, movie: Any, other: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """A heading, the model, and the request."""
    return [
        ("The rating that a user would give", "mf", {"user_id": user, "movie_id": movie}),
        ("The probability of a rating above 3", "deepfm", {"user_id": user, "movie_id": movie}),
        ("Movies for a user", "fm", {"user_id": user, "k": 3}),
        ("Movies like one", "fm", {"movie_id": movie, "k": 3}),
        (
            "Movies for somebody the model has never seen",
            "mf",
            {"ratings": [{"movie_id": movie, "rating": 5}, {"movie_id": other, "rating": 1}], "k": 3},
        ),
        ("What a user has rated", "mf", {"user_id": user, "history": True}),
        ("The catalogue", "mf", {"catalogue": True, "offset": 0, "k": 2}),
        (
            "Several at once, one of them wrong",
            "deepfm",
            {"instances": [{"user_id": user, "movie_id": movie}, {"user_id": user, "k": 0}]},
        ),
    ]


def show(inference: str) -> None:
    """Send one request of each kind to a running server, and print its answer below its curl line.

    Raises requests.HTTPError where an answer is not a success.
    """
    most_rated = _ask(inference, "mf", {"catalogue": True, "k": 1000})["catalogue"]
    movie, other = sorted(most_rated, key=lambda entry: -entry["ratings"])[:2]
    user = 196
    if _ask(inference, "mf", {"user_id": user, "history": True}).get("unknown"):
        raise SystemExit("the demo asks for user 196 of MovieLens 100K: make demo DATA=ml-100k")
    for title, model, body in requests_of_each_kind(user, id_of(movie), id_of(other)):
        text = json.dumps(body)
        print(f"\n# {title}")
        print(f"curl {inference}/predictions/{model} -H 'Content-Type: application/json' -d {shlex.quote(text)}")
        answer = json.dumps(_ask(inference, model, body), ensure_ascii=False)
        print(answer if len(answer) <= LONGEST else f"{answer[:LONGEST]} ... ({len(answer):,} characters)")


def _ask(inference: str, model: str, body: dict[str, Any]) -> dict[str, Any]:
    response = requests.post(f"{inference}/predictions/{model}", json=body, timeout=30)
    response.raise_for_status()
    return response.json()
