"""What a model says of itself: for ``GET /models/{name}?customized=true``."""

from typing import Any

import msgspec
import numpy as np

from ..model.model import Model
from ..model.positions import evenly_spread
from ..model.vocabulary import RawId
from .limits import Limits

NAMED_USERS = 50  # where nothing else is set, and where ids are integers


def description_of(model: Model, limits: Limits) -> dict[str, Any]:
    """The model, the log that it was trained on, its features, limits and metrics."""
    metadata = model.metadata
    words = metadata.words
    sides = {"user_id": model.users, words.id: model.movies}
    user_features, movie_features = metadata.user_features.names, metadata.movie_features.names
    return {
        "model": metadata.model,
        "target": metadata.target,
        "score": metadata.meaning,
        "scale": metadata.scale,
        "data": msgspec.to_builtins(metadata.data),
        "users": len(model.users) - 1,
        f"{words.field}s": len(model.movies) - 1,
        "ids": {side: "integer" if of.integers else "string" for side, of in sides.items()},
        "some_users": named_users(model, limits.named_users),
        "user_features": user_features,
        f"{words.field}_features": movie_features,
        "options": ["explain"] + (["user"] if user_features else []) + ([words.field] if movie_features else []),
        "words": {"a": words.a, "one": words.one, "many": words.many},
        "columns": {name: column.kind for name, column in model.catalogue.columns.items()},
        "limits": msgspec.to_builtins(limits),
        "last_timestamp": metadata.last_timestamp,
        "newest_by": metadata.added_by,
        "metrics": model.metrics,
        "sha256": model.sha256,
    }


def named_users(model: Model, limit: int | None) -> list[RawId]:
    """Ids of users who have rated, ``limit`` of them or fewer, spread evenly over the dictionary.

    None stands for ``NAMED_USERS`` integers, and for no strings: those may be names or e-mail addresses.
    """
    if limit is None:
        limit = NAMED_USERS if model.users.integers else 0
    if limit == 0:
        return []
    rated = np.flatnonzero(np.diff(model.arrays["seen_offsets"].numpy()))
    return [model.users.ids[row] for row in rated[evenly_spread(len(rated), limit)]]
