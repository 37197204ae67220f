"""The libraries that ours is measured against, each called as its documentation calls it, on one thread.

A wrapper is imported when it is asked for: only the environment of this benchmark has these libraries.
"""

from __future__ import annotations

from collections.abc import Callable

from training.estimators import Recommender


def surprise(**options: object) -> Recommender:
    from .surprise import Surprise

    return Surprise(**options)


def myfm(**options: object) -> Recommender:
    from .myfm import MyFM

    return MyFM(**options)


def implicit(**options: object) -> Recommender:
    from .implicit import Implicit

    return Implicit(**options)


def ease(**options: object) -> Recommender:
    from .ease import EASE

    return EASE(**options)


def lightfm(**options: object) -> Recommender:
    from .lightfm import LightFM

    return LightFM(**options)


def lightgcn(**options: object) -> Recommender:
    from .lightgcn import LightGCN

    return LightGCN(**options)


PEERS: dict[str, Callable[..., Recommender]] = {
    "surprise": surprise,
    "myfm": myfm,
    "implicit": implicit,
    "ease": ease,
    "lightfm": lightfm,
    "lightgcn": lightgcn,
}
