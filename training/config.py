"""The settings of a training, and the presets of each model. The keys of ``PRESETS`` are the models' names."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import tyro

from .errors import SettingsError

Target = Literal["rating", "like"]


def _formerly(option: str) -> Any:
    """The name of an option in earlier releases, which the command line still takes."""
    return tyro.conf.arg(aliases=[option])


# Which values are allowed, for a number or for each of several. All must be finite; None is allowed where it is the
# default.
BOUNDS: tuple[tuple[str, Callable[[float], bool], tuple[str, ...]], ...] = (
    (
        "1 or more",
        lambda value: value >= 1,
        (
            *(
                "n_factors",
                "sample_factors",
                "sweeps",
                "feature_vectors",
                "als_sweeps",
                "top_epochs",
                "list_components",
                "list_factors",
            ),
            *("epochs", "stop_after", "patience", "batch_size", "hidden"),
        ),
    ),
    (
        "0 or more",
        lambda value: value >= 0,
        ("burn_in", "list_half_lives", "list_feature_weights", "decay", "feature_decay"),
    ),
    (
        "more than 0",
        lambda value: value > 0,
        ("prior_precision", "unobserved_weight", "regularizations", "list_ridges", "list_strengths", "learning_rate"),
    ),
    ("0 or more and below 1", lambda value: 0 <= value < 1, ("dropout", "list_dampings")),
    (
        "from 0 to 1",
        lambda value: 0 <= value <= 1,
        ("list_ridge_power", "list_rating_slope", "weight_powers", "list_weight_powers"),
    ),
    ("from -1 to 0", lambda value: -1 <= value <= 0, ("list_user_power",)),
    ("a finite number", lambda _: True, ("like_above",)),
)


@dataclass(frozen=True)
class Settings:
    """How a network is built and fitted."""

    target: Target = "rating"
    """What a score is: a rating, or the probability of a like (without ratings: of a pair of the log beside others)."""
    like_above: float = 3.0
    """A rating above this is a like."""
    n_factors: Annotated[int, _formerly("--width")] = 32
    """Length of the vectors."""
    method: Literal["gibbs", "als", "adam"] = "adam"
    """How it is fitted: by averaging posterior samples (MF and FM for ratings; DeepFM's machine), by alternating least
    squares (MF and FM for a log of likes alone, and DeepFM's machine; where there are ratings, by descent), or by
    descent."""

    ratings_as: Literal["numbers", "levels"] = "numbers"
    """gibbs: what ratings are, numbers with Gaussian noise or ordered levels (ordinal regression)."""
    sample_factors: Annotated[int, _formerly("--rank")] = 10
    """gibbs: length of one sample's vectors; their average is cut to ``n_factors``."""
    prior_precision: float = 10.0
    """gibbs: of vectors and biases before any data; longer vectors need a higher one, or they fit the noise."""
    user_noise: bool = True
    """gibbs: the noise of each user's ratings is their own; without it all users share one."""
    user_history: bool = True
    """gibbs, FM and DeepFM: a user's vector depends on which movies they have rated."""
    movie_history: bool = True
    """gibbs, FM and DeepFM: a movie's vector depends on who has rated it."""
    feature_vectors: int = 64
    """gibbs, FM and DeepFM: singular vectors that stand for a history, or for side features, at most."""
    sweeps: int = 100
    """gibbs: sweeps that are averaged at most; fewer where more would change the average little."""
    burn_in: int = 20
    """gibbs: sweeps before that."""

    als_sweeps: int = 15
    """als: how often all movies, and then all users, are solved for."""
    unobserved_weight: float = 1.0
    """als: what all pairs together weigh, as dislikes, beside all likes together."""
    regularizations: tuple[float, ...] = (0.03, 0.01, 0.1, 0.3)
    """als: of vectors and biases, beside the mean weight of a user's (movie's) likes and pairs; some likes that the fit
    holds out choose."""

    weight_powers: tuple[float, ...] = (0.5, 0.0, 1.0)
    """Likes with weights: the powers of these that say how sure a like is; als chooses by likes that it holds out, else
    the first counts."""

    top_epochs: int = 3
    """gibbs, als: DeepFM's passes over the rows, at most 131,072 of them, for the perceptron on top of its machine."""

    drift: bool = True
    """How a user rates drifts with time, where the log has timestamps; scores for a timestamp have it."""

    list_components: Annotated[int, _formerly("--list-rank")] = 2048
    """Lists: components of the log's truncated singular value decomposition that the regression is made from, at most:
    512 where there are few movies or very many ratings."""
    list_ridges: tuple[float, ...] = (300.0, 100.0, 1000.0)
    """Lists: how much the regression that orders them is shrunk; the validation rows choose, else the first counts."""
    list_dampings: tuple[float, ...] = (0.1, 0.0, 0.2)
    """Lists: the power of a movie's popularity that its number is divided by; chosen in the same way."""
    list_half_lives: tuple[float, ...] = (0.0, 7.0, 14.0, 30.0, 90.0, 365.0)
    """Lists: days after which a rating counts half for what is popular now; the validation rows choose where they are
    later than the training rows (--split time), else the first counts. 0: no trend."""
    list_strengths: tuple[float, ...] = (1.0, 10.0, 100.0)
    """Lists: how many ratings halve what counts of everybody and of a user's side features; chosen in the same way,
    another than the first for a gain of more than two standard errors."""
    list_weight_powers: tuple[float, ...] = (0.5, 0.0, 1.0)
    """Lists of likes with weights: the powers of these that say how much a like counts; chosen in the same way."""
    list_feature_weights: tuple[float, ...] = (0.0,)
    """Lists of FM and DeepFM: how much two movies are alike because they have the same value of a side feature, where 1
    is what a movie shares with itself on average; chosen in the same way. For movies that few users have: 0 0.2 2."""
    list_factors: Annotated[tuple[int, ...], _formerly("--list-widths")] = (32, 64, 128, 256, 512, 1024)
    """Lists: length of the vectors; chosen in the same way. Those above the number of components are left out."""
    list_ridge_power: float = 0.5
    """Lists: the power of a movie's weight in the log that its ridge grows with."""
    list_user_power: float = -0.5
    """Lists: the power of the number of a user's ratings that the user weighs."""
    list_rating_slope: float = 0.5
    """Lists: the additional weight of a rating that is half the scale above the mean."""

    epochs: int = 40
    """adam: passes over the ratings at most; early stopping on the validation rows usually ends sooner."""
    stop_after: Annotated[int | None, tyro.conf.Suppress] = None
    """adam: passes over the ratings where no validation rows say when to stop: the epoch that an earlier fit chose by
    them, so no option of the command line. The cosine still runs over ``epochs``."""
    patience: int = 3
    """adam: epochs without a better validation loss before the fit stops."""
    batch_size: int = 1024
    """adam: ratings a step; more if there are more than 16 times as many users and movies."""
    learning_rate: float = 0.002
    """adam: at the start, for batches of ``batch_size``; a cosine takes it to a tenth over ``epochs``."""
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
                numbers = [number for number in several if number is not None]
                if not several or not all(math.isfinite(number) and holds(number) for number in numbers):
                    option, given = name.replace("_", "-"), " ".join(map(str, several)) or "empty"
                    each = "one value or several, each " if isinstance(value, tuple) else ""
                    raise SettingsError(f"--{option} is {given}: give {each}{allowed}")
        if not self.use_fm and not self.use_mlp:
            raise SettingsError("--no-use-fm and --no-use-mlp leave nothing of DeepFM: keep one of the two")


@dataclass(frozen=True)
class Presets:
    """The settings of a model by target and preset's name; ``target``: that of a training that names none."""

    target: Target
    rating: dict[str, Settings]
    like: dict[str, Settings]


BEST: dict[str, Any] = {"method": "gibbs", "ratings_as": "levels", "n_factors": 96, "prior_precision": 60.0}
BEST_FM = BEST | {"sample_factors": 48, "sweeps": 250, "burn_in": 30, "feature_vectors": 4096}
BEST_MF = BEST | {"sample_factors": 64, "sweeps": 400, "burn_in": 50}

# The sampler takes ratings alone: without these, least squares are in its place, for DeepFM's machine too.
LIKE: dict[str, Any] = {"target": "like", "decay": 0.01, "feature_decay": 0.01}
LIKE_BY_ALS = Settings(**LIKE, method="als", n_factors=16)
# Descent on likes beside dislikes takes more epochs than on ratings; validation rows say when to stop.
BEST_LIKE = dataclasses.replace(LIKE_BY_ALS, als_sweeps=30, regularizations=(0.03, 0.01, 0.003, 0.1, 0.3), epochs=200)

# By model. As in their origins, MF and FM predict ratings, and DeepFM whether somebody likes a movie.
PRESETS: dict[str, Presets] = {
    "mf": Presets(
        "rating",
        rating={"quick": Settings(method="gibbs"), "best": Settings(**BEST_MF)},
        like={"quick": LIKE_BY_ALS, "best": BEST_LIKE},
    ),
    "fm": Presets(
        "rating",
        rating={"quick": Settings(method="gibbs"), "best": Settings(**BEST_FM)},
        like={"quick": LIKE_BY_ALS, "best": BEST_LIKE},
    ),
    "deepfm": Presets(
        "like",
        rating={"quick": Settings(method="gibbs"), "best": Settings(**BEST_FM)},
        like={"quick": Settings(method="gibbs", **LIKE), "best": Settings(**BEST_FM, **LIKE)},
    ),
}
MODELS = tuple(PRESETS)


def preset(name: str, model: str, target: Target | None = None) -> Settings:
    """The settings that go by a name ("quick" or "best"), for a model and what its scores are to be."""
    of_model = PRESETS[model]
    by_target = {"rating": of_model.rating, "like": of_model.like}
    return by_target[target or of_model.target][name]
