"""What a model says of itself: for ``GET /models/{name}?customized=true``."""

from typing import Any

import msgspec

from ..model.model import Model
from .limits import Limits


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
        "some_users": model.named_users(limits.named_users),
        "user_features": user_features,
        f"{words.field}_features": movie_features,
        "options": ["explain"] + (["user"] if user_features else []) + ([words.field] if movie_features else []),
        "words": {"one": words.one, "many": words.many},
        "columns": {name: column.kind for name, column in model.catalogue.columns.items()},
        "limits": msgspec.to_builtins(limits),
        "last_timestamp": metadata.last_timestamp,
        "newest_by": metadata.added_by,
        "metrics": model.metrics,
        "sha256": model.sha256,
    }
