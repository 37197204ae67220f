"""The ways to fit a network, by the name that ``Settings.method`` gives them in an estimator's dictionary."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from ..config import Settings
from . import adam, als, posterior, warm
from .fit import Fit
from .losses import Losses, still_falls


@dataclass(frozen=True)
class Method:
    """A way to fit a network in place to interactions.

    ``fit(network, train, validation, settings, seed, on_epoch)``. ``most_epochs``: the setting that limits its epochs,
    of which the validation rows choose the best; None where there are no epochs, as in an average of samples.
    ``draws_unrated``: whether it also gives an embedding to ids that have no rating.
    """

    fit: Callable[..., Fit]
    most_epochs: str | None
    draws_unrated: bool

    def with_best_epoch(self, settings: Settings, losses: Losses) -> Settings:
        """The settings for a fit without validation rows that runs as long as the best epoch of one with them."""
        return settings if self.most_epochs is None else dataclasses.replace(settings, stop_after=losses.best_epoch)

    def cut_short(self, settings: Settings, validation: list[float]) -> list[str]:
        """A warning where the ``validation`` losses still fell when a fit stopped at its limit of epochs."""
        if self.most_epochs is None or not still_falls(validation):
            return []
        option, most = self.most_epochs.replace("_", "-"), getattr(settings, self.most_epochs)
        return [
            f"the validation loss still fell in the last of {most} epochs: more may be better (--{option} {2 * most})"
        ]


ALS = Method(als.fit, most_epochs=None, draws_unrated=True)
ADAM = Method(adam.fit, most_epochs="epochs", draws_unrated=False)
GIBBS = Method(posterior.fit, most_epochs=None, draws_unrated=True)
GIBBS_THEN_ADAM = Method(warm.fit, most_epochs="top_epochs", draws_unrated=True)
ALS_THEN_ADAM = Method(warm.fit_to_likes, most_epochs="top_epochs", draws_unrated=True)
