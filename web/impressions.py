"""What of a list that was served goes into the store: who was shown which movies, and by which version."""

from __future__ import annotations

from feedback.experiments import Experiment
from feedback.store import Impression

from .schema import Ask, id_of
from .torchserve import Answer

LISTS = ("recommendations", "similar")  # the fields of answers that hold a list


def is_list(ask: Ask) -> bool:
    """Whether the answer is a list of movies: neither a score nor a history."""
    given = ask.model_fields_set
    return not (given & {"history"} or ("movie_id" in given and given & {"user_id", "ratings", "user"}))


def impression_of(model: str, ask: Ask, answer: Answer, experiment: Experiment | None, now: int) -> Impression:
    """The impression of a list; ``now``: seconds since 1970.

    It belongs to ``experiment`` if a user got the version that is theirs; not if that version was not there.
    """
    body = answer.json()
    shown = next(body[field] for field in LISTS if field in body)
    user, movie = (None if raw is None else str(raw) for raw in (ask.user_id, ask.movie_id))
    takes_part = experiment and user is not None and answer.version == experiment.version_of(user)
    movies = [id_of(entry) for entry in shown]
    explored = [place for place, entry in enumerate(shown) if entry.get("explored")]
    return Impression(user, movie, model, answer.version, now, movies, experiment.id if takes_part else None, explored)
