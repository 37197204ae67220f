"""What only makes answers faster. Without it they are the same."""

from ..api.service import Service
from .pairs import PairShortcut


def accelerate(service: Service) -> None:
    """Answer pairs by a shortcut, and score the pairs of all other requests by the same arithmetic."""
    pairs = PairShortcut(service.model, service.limits)
    service.shortcut = pairs.answer
    service.model.score_pairs = pairs.scorer.score_encodings
