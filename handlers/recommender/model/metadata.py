"""What the numbers of a model mean: ``metadata.json``."""

from typing import Literal

import msgspec

from .attributes import Attribute
from .features import FeatureSchema
from .link import Link, Logistic, Ordinal, Regression
from .words import Words


class DataSummary(msgspec.Struct, frozen=True):
    """The log that the model was trained on."""

    name: str
    sha256: str
    ratings: int
    users: int
    movies: int


class Metadata(msgspec.Struct, frozen=True):
    """What the numbers of a model mean.

    ``target``: scores are ratings on ``scale``, or the probability of a rating above ``like_above``. ``scale`` is
    None for a log without ratings, whose scores are the probability that a pair is of the log, where four are drawn at
    random for each. ``width``: length of the embeddings. ``similarity_shrinkage``: a movie with n
    ratings keeps n / (n + shrinkage) of its cosine. ``prior_noise``: variance of what was observed about a raw score.
    ``levels`` and ``cuts``: the rating levels and the cut points between them, where ratings were fitted as ordered
    levels; without them a raw score is a rating. ``rank_weight``: what a rating weighs in a history
    (``list_ranker.ListRanker``), None where lists are ordered by the score. ``rank_strength``: the ranker's strength;
    ``weighted``: whether histories have the weights of likes (``seen_weights.npy``). ``genres``: all names of genres.
    ``drift_seconds``: ``drift.Drift.seconds``, None where the moment of a rating adds nothing to its score.
    ``words``: what the log calls its movies. ``attributes``: the columns that answers show, in the order of their
    files. Archives of earlier releases have neither.
    ``last_timestamp``: of the log, in seconds since 1970; None where it has no timestamps. ``added_by``: what says when
    a movie was new: a column of the movies file, or "log" for its first rating; None where nothing does.
    ``expects_ratings``: whether it is known how many ratings a movie's features promise.
    """

    model: str
    data: DataSummary
    target: Literal["rating", "like"]
    scale: tuple[float, float] | None
    like_above: float
    width: int
    prior_noise: float
    similarity_shrinkage: float
    user_features: FeatureSchema
    movie_features: FeatureSchema
    levels: tuple[float, ...] = ()
    cuts: tuple[float, ...] = ()
    rank_weight: tuple[float, float] | None = None
    genres: tuple[str, ...] = ()
    drift_seconds: float | None = None
    words: Words = Words()
    attributes: tuple[Attribute, ...] = ()
    rank_strength: float = 1.0
    weighted: bool = False
    last_timestamp: int | None = None
    added_by: str | None = None
    expects_ratings: bool = False

    @property
    def link(self) -> Link:
        """The link between raw scores and the scale of the target."""
        if self.target == "like":
            return Logistic(self.like_above)
        if self.levels:
            return Ordinal(self.levels, self.cuts, self.prior_noise**0.5)
        return Regression(*self.scale, self.prior_noise)

    @property
    def meaning(self) -> str:
        """What a score is, in words."""
        if self.scale is None:
            return "probability that a pair is of the log and not drawn at random"
        low, high = self.scale
        of_like = f"probability of a rating above {self.like_above:g}"
        return of_like if self.target == "like" else f"rating from {low:g} to {high:g}"

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score."""
        return self.scale if self.target == "rating" and self.scale else (0.0, 1.0)
