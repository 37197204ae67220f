"""What a model says of itself, and whom it names."""

from __future__ import annotations

import msgspec
import pytest

from handlers.recommender.api.limits import Limits
from handlers.recommender.api.service import Service


def test_a_model_of_likes_says_so(of_likes) -> None:
    described = of_likes.describe()
    assert described["score"] == "probability that a pair is of the log and not drawn at random"
    assert described["scale"] is None


def test_a_description_says_which_type_ids_have(of_likes, services) -> None:
    assert of_likes.describe()["ids"] == {"user_id": "string", "movie_id": "string"}
    assert services["mf"].describe()["ids"] == {"user_id": "integer", "movie_id": "integer"}


@pytest.mark.parametrize(("model", "setting", "names"), [
    ("mf", None, 50), ("mf", 3, 3), ("mf", 0, 0), ("mf", 10**6, None),
    ("of likes", None, 0), ("of likes", 50, 50), ("of likes", 0, 0),
])  # fmt: skip
def test_whom_a_description_names(services, of_likes, model: str, setting: int | None, names: int | None) -> None:
    """Ids that are texts may be e-mail addresses: nobody's unless the setting says so."""
    service = of_likes if model == "of likes" else services[model]
    described = Service(service.model, Limits(named_users=setting)).describe()
    archive, named = service.model, described["some_users"]
    rated = [one for row, one in enumerate(archive.users.ids) if len(archive.seen(row))]
    assert len(named) == (len(rated) if names is None else names)
    assert len(set(named)) == len(named)
    assert set(named) <= set(rated)


def test_a_number_of_named_users_below_zero_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="named_users"):
        msgspec.convert({"named_users": -1}, Limits)
