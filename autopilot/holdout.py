"""A share of the users keeps the version before while the new one is watched: what the lists of both earn.

This is an experiment (docs/experiments.md) in which A is the new version, the default, and B the one before. Both are
measured at the same time on users that chance has divided, so weekday and season are the same for both.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

from experiments.outcomes import outcomes
from experiments.sequential import compare, is_uneven
from feedback import experiments as stored
from feedback.blocks import url_of
from feedback.experiments import Experiment
from feedback.store import Store
from serving.experiments import Compared

from .errors import AutopilotError


@dataclass(frozen=True)
class Measure:
    """What of the lists is compared: the options of an experiment, and who keeps the version before."""

    share: float = 0.5
    """The part of the users that keep the version before during the watch; 0 for nobody."""
    judged_by: Literal["click", "like"] = "click"
    """What a list earns: click, or like."""
    like_above: float = 3.0
    """A higher rating is a like."""
    window: float = 24.0
    """Hours after a list in which an event counts for it."""
    effect: float = 0.1
    """The relative difference that the test finds soonest."""


class Holdout:
    """The experiment of one watch: ``version`` is new, and ``share`` of the users keep ``before``.

    Every method may raise ``feedback.store.StoreDown``, and does nothing where there is no store. Without a share
    nothing is started.
    """

    def __init__(self, measure: Measure, model: str, version: str, before: str) -> None:
        """Open nothing yet. Raises ``feedback.database.URLError``."""
        self.measure, self.model, self.version, self.before = measure, model, version, before
        url = url_of("EVENTS_URL")
        self._store = Store(url) if url else None

    def check(self) -> None:
        """Raise AutopilotError where an experiment of somebody else runs, whose versions must stay.

        Raises ``feedback.experiments.ExperimentError`` for a measure that is out of range.
        """
        if self._store and self.measure.share:
            stored.check(self._experiment())
        running = self._running()
        if running and not self._is_ours(running):
            raise AutopilotError(
                f"an experiment with {self.model} {running.a} and {running.b} runs: "
                f"end it first (make experiment MODEL={self.model} STOP=1)"
            )

    def start(self) -> None:
        """Begin, where it does not run yet."""
        if self._store and self.measure.share and not self._running():
            stored.start(self._store, self._experiment())

    def stop(self) -> None:
        """Send everybody to the default version."""
        running = self._running()
        if running and self._is_ours(running):
            stored.stop(self._store, self.model, int(time.time()))

    def needed(self) -> Compared | None:
        """The versions of an experiment that runs, which must not be taken out."""
        running = self._running()
        return running and Compared(running.a, running.b)

    def harm(self) -> str | None:
        """Why the new version does harm: its lists earn less, as the sequential test finds. None where it does not."""
        running = self._running()
        if not running or not self._is_ours(running):
            return None
        seconds = max(int(time.time()) - running.started, 1)
        look = outcomes(self._store, running, running.metric, running.started + seconds, seconds)[-1]
        new, before = look.a, look.b
        found = compare(new, before, running.effect)
        if found.verdict != "better" or is_uneven(new, before, running.share):
            return None
        return (
            f"its lists earn {new.rate:.4f} {running.metric}s each, those of {self.before} {before.rate:.4f} "
            f"(difference {-found.high:+.4f} to {-found.low:+.4f})"
        )

    def close(self) -> None:
        """Close the connections."""
        if self._store:
            self._store.close()

    def _experiment(self) -> Experiment:
        of = self.measure
        fields = (secrets.token_hex(8), of.judged_by, of.like_above, stored.seconds(of.window), of.effect)
        return Experiment(self.model, self.version, self.before, of.share, *fields, int(time.time()))

    def _running(self) -> Experiment | None:
        return stored.running(self._store).get(self.model) if self._store else None

    def _is_ours(self, running: Experiment) -> bool:
        return (running.a, running.b) == (self.version, self.before)
