"""The settings of each model, and the presets that go by a name."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from .errors import SettingsError

Target = Literal["rating", "like"]

# Which values are allowed, for a number or for each of several. All must be finite; None is allowed where it is the
# default.
BOUNDS: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    (
        "1 or more",
        lambda value: value >= 1,
        (
            *("width", "rank", "sweeps", "top_epochs", "list_rank", "list_widths"),
            *("epochs", "stop_after", "patience", "batch_size", "hidden"),
        ),
    ),
    ("0 or more", lambda value: value >= 0, ("burn_in", "decay", "feature_decay")),
    ("more than 0", lambda value: value > 0, ("prior_precision", "list_ridges", "learning_rate")),
    ("0 or more and below 1", lambda value: 0 <= value < 1, ("dropout",)),
    ("a finite number", lambda _: True, ("like_above",)),
)


@dataclass(frozen=True)
class Settings:
    """How a network is built and fitted."""

    target: Target = "rating"
    """What a score is: a rating, or the probability of liking."""
    like_above: float = 3.0
    """A rating above this is a like."""
    width: int = 32
    """Length of the vectors."""
    method: Literal["gibbs", "adam"] = "adam"
    """How it is fitted: by averaging posterior samples (MF and FM for ratings; DeepFM's machine), or by descent."""

    ratings_as: Literal["numbers", "levels"] = "numbers"
    """gibbs: what ratings are, numbers with Gaussian noise or ordered levels (ordinal regression)."""
    rank: int = 10
    """gibbs: length of one sample's vectors; their average is cut to ``width``."""
    prior_precision: float = 10.0
    """gibbs: of vectors and biases before any data; with a higher one a larger rank does not fit the noise."""
    sweeps: int = 100
    """gibbs: sweeps that are averaged."""
    burn_in: int = 20
    """gibbs: sweeps before that."""

    top_epochs: int = 3
    """gibbs: DeepFM's passes over the ratings for the perceptron on top of its machine."""

    list_rank: int = 512
    """Lists: rank of the log's truncated singular value decomposition that the regression is made from."""
    list_ridges: tuple[float, ...] = (300.0, 100.0, 1000.0)
    """Lists: how much the regression that orders them is shrunk; the validation rows choose, else the first counts."""
    list_widths: tuple[int, ...] = (32, 64, 128, 256)
    """Lists: length of its vectors; chosen in the same way."""

    epochs: int = 40
    """adam: passes over the ratings at most; early stopping on the validation rows usually ends sooner."""
    stop_after: Annotated[int | None, tyro.conf.Suppress] = None
    """adam: passes over the ratings where no validation rows say when to stop: the epoch that an earlier fit chose by
    them, so no option of the command line. The cosine still runs over ``epochs``."""
    patience: int = 3
    """adam: epochs without a better validation loss before the fit stops."""
    batch_size: int = 1024
    """adam: ratings a step."""
    learning_rate: float = 0.002
    """adam: at the start; a cosine takes it to a tenth over ``epochs``."""
    decay: float = 0.085
    """adam: weight of the squared ids' embeddings beside each rating's loss."""
    feature_decay: float = 0.05
    """adam: the same for the side features' embeddings."""

    hidden: tuple[int, ...] = (64, 32)
    """DeepFM: units of the hidden layers."""
    dropout: float = 0.2
    """DeepFM: share of hidden units left out at random while fitting."""
    use_fm: bool = True
    """DeepFM: keep its factorization machine (switch off for an ablation)."""
    use_mlp: bool = True
    """DeepFM: keep its multilayer perceptron (switch off for an ablation)."""

    def __post_init__(self) -> None:
        """Raises SettingsError for a value that a setting cannot have."""
        for allowed, holds, names in BOUNDS:
            for name in names:
                value = getattr(self, name)
                several = value if isinstance(value, tuple) else (value,)
                good = bool(several) and all(math.isfinite(one) and holds(one) for one in several if one is not None)
                if not good:
                    option, given = name.replace("_", "-"), " ".join(map(str, several)) or "empty"
                    each = "one value or several, each " if isinstance(value, tuple) else ""
                    raise SettingsError(f"--{option} is {given}: give {each}{allowed}")
        if not self.use_fm and not self.use_mlp:
            raise SettingsError("--no-use-fm and --no-use-mlp leave nothing of DeepFM: keep one of the two")


BEST: dict[str, Any] = {"method": "gibbs", "ratings_as": "levels", "width": 96, "prior_precision": 60.0}
BEST_FM = BEST | {"rank": 48, "sweeps": 250, "burn_in": 30}

RATING: dict[str, dict[str, Settings]] = {
    "quick": {
        "mf": Settings(method="gibbs"),
        "fm": Settings(method="gibbs"),
        "deepfm": Settings(method="gibbs"),
    },
    "best": {
        "mf": Settings(rank=64, sweeps=400, burn_in=50, **BEST),
        "fm": Settings(**BEST_FM),
        "deepfm": Settings(**BEST_FM),
    },
}

# The sampler takes ratings alone, so that MF and FM of likes have one set of settings.
LIKE_BY_ADAM = Settings(target="like", width=16, decay=0.01, feature_decay=0.01)

LIKE: dict[str, dict[str, Settings]] = {
    "quick": {
        "mf": LIKE_BY_ADAM,
        "fm": LIKE_BY_ADAM,
        "deepfm": Settings(target="like", method="gibbs", decay=0.01, feature_decay=0.01),
    },
    "best": {
        "mf": LIKE_BY_ADAM,
        "fm": LIKE_BY_ADAM,
        "deepfm": Settings(target="like", decay=0.01, feature_decay=0.01, **BEST_FM),
    },
}

# As in their origins: MF and FM predict ratings, DeepFM whether somebody likes a movie.
DEFAULT_TARGET: dict[str, Target] = {"mf": "rating", "fm": "rating", "deepfm": "like"}


def preset(name: str, model: str, target: Target | None = None) -> Settings:
    """The settings that go by a name, for a model and what its scores are to be."""
    return (RATING if (target or DEFAULT_TARGET[model]) == "rating" else LIKE)[name][model]
