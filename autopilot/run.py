"""One run, in steps that can each be run again: killed at any moment, it goes on when it is run again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path

import requests
from msgspec.structs import replace

from archives.contents import file_name
from archives.errors import ArchiveRefused
from archives.store import locked
from client.recommender_client import RecommenderError
from feedback.experiments import ExperimentError
from feedback.store import StoreDown
from serving import console
from serving.experiments import Compared
from serving.gate import Tolerance
from serving.management import ManagementError
from serving.retrain import next_version, train_and_pack
from serving.rollout import Rollout, RolloutRefused
from serving.server import Server
from serving.versions import Versions

from . import traffic
from .alert import Alert
from .errors import AutopilotError
from .holdout import Holdout, Measure
from .state import State, StateFile, Step

PATIENCE = 60.0  # seconds in which the metrics, or the store of events, may be out of reach
NOT_ROLLED_OUT = (RolloutRefused, ArchiveRefused, ManagementError, RecommenderError, requests.RequestException)


@dataclass(frozen=True)
class Watching:
    """How a new version is watched after its rollout."""

    watch: float = 60.0
    """Minutes from the rollout to the end of the watch; the version before stays registered so long."""
    every: float = 30.0
    """Seconds between two looks."""
    errors: float = 0.01
    """The share of failed answers (5XX) that is allowed beyond that before the rollout."""
    holdout: Measure = field(default_factory=Measure)

    def __post_init__(self) -> None:
        """Raises AutopilotError for a number that cannot be."""
        for name, value, least in (("watch", self.watch, 0), ("every", self.every, 0.1), ("errors", self.errors, 0)):
            if not least <= value < float("inf"):
                raise AutopilotError(f"--{name} is {value:g}: give a finite number from {least:g}")


@dataclass
class Run:
    """Makes the next version of ``model`` the default version of ``server``, and returns from it where it does harm.

    ``options``: of ``python -m training train``; ``packing``: of ``python -m training archive``. ``drain``: seconds
    that the last requests of a version may take (None: its responseTimeout).
    """

    server: Server
    model: str
    options: list[str]
    packing: list[str]
    build: Path
    tolerance: Tolerance = field(default_factory=Tolerance)
    watching: Watching = field(default_factory=Watching)
    alert: Alert = field(default_factory=Alert)
    drain: float | None = None
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        """Nothing is called yet."""
        self.store = self.server.store
        self.file = StateFile(self.store, self.model)
        self.versions = Versions(self.server, self.model)
        self.steps: dict[Step, Callable[[State], State]] = {
            "train": self._train,
            "roll out": self._roll_out,
            "watch": self._watch,
            "roll back": self._roll_back,
            "retire": self._retire,
            "tell": self._tell,
        }

    def run(self) -> State:
        """Go on with a run that was killed, or begin one; returns how it ended.

        Raises AutopilotError, RetrainError, ManagementError, StoreError, ExperimentError, StoreDown, URLError or
        requests' exceptions where it cannot go on; the next run goes on from there.
        """
        with self.file.locked() as self.lock:
            state = State(model=self.model, started=time.time(), version="", before="")
            try:
                state = self._cut_short() or self.file.write(self._begin())
                while state.step != "done":
                    state = self.file.write(self.steps[state.step](state))
            except Exception as error:
                self.alert.failed(state, str(error))
                raise
            return state

    def _cut_short(self) -> State | None:
        """The state of a run that did not come to its end."""
        state = self.file.read()
        if state is None or state.step == "done":
            return None
        self.say(f"{self.model} {state.version}: the run before was cut short; it goes on at: {state.step}")
        return state

    def _begin(self) -> State:
        before = self.versions.default()
        if before is None:
            raise AutopilotError(
                f"no version of {self.model} is served: make archive serve MODEL={self.model} puts the first one there"
            )
        version = next_version(self.store, self.model)
        with self._holdout(version, before) as holdout:
            holdout.check()
        return State(model=self.model, started=time.time(), version=version, before=before)

    def _train(self, state: State) -> State:
        # The archive is moved into place when it is whole. Training that was killed is done again.
        if not (self.store / file_name(self.model, state.version)).exists():
            train_and_pack(
                self.store, self.model, self.build, self.options, self.packing, state.version, held=(self.lock,)
            )
        return replace(state, step="roll out")

    def _roll_out(self, state: State) -> State:
        default = self.versions.default()
        if default is None:
            raise AutopilotError(f"{self.model} is served no more: make serve starts the server with it")
        if default != state.version:
            answered = traffic.read(self.server, self.model, default)
            state = self.file.write(replace(state, before=default, traffic_before=answered))
        # The version before stays registered: it answers the users that keep it, and it is there if it is needed again.
        # As nothing is taken out, no experiment is asked for.
        rollout = Rollout(
            self.server, self.model, state.version, tolerance=self.tolerance, keep=True, drain=self.drain,
            why="autopilot", compared=lambda model: None,
        )  # fmt: skip
        try:
            console.run(rollout)
        except NOT_ROLLED_OUT as error:
            if self.versions.default() == state.version:
                if isinstance(error, ArchiveRefused):  # a run that was killed after the switch
                    return replace(state, step="roll back", outcome="rolled back", why=str(error))
                raise  # the rollout is nearly done: the next run ends it
            return replace(state, step="tell", outcome="refused", why=str(error))
        answered = traffic.read(self.server, self.model, state.version)
        until = time.time() + 60 * self.watching.watch
        return replace(state, step="watch", traffic_last=answered, watch_until=until)

    def _watch(self, state: State) -> State:
        heard = time.monotonic()
        with self._holdout(state.version, state.before) as holdout:
            while True:
                # Read first: after the end of the watch there is one more look, also where a run was killed for a day.
                is_over = time.time() >= state.watch_until
                default = self.versions.default()
                if default != state.version:
                    why = f"{default} was made the default by somebody else during the watch"
                    return replace(state, step="retire", outcome="replaced", why=why)
                harm = []
                try:
                    state = self.file.write(self._counted(state))
                    harm += traffic.harm(state.traffic_before, state.traffic_new, self.watching.errors)
                    heard = time.monotonic()
                except requests.RequestException as error:
                    if is_over or time.monotonic() - heard > PATIENCE:
                        raise
                    self.say(f"{self.model} {state.version}: the server's metrics cannot be read: {error}")
                harm += self._of_lists(holdout)
                if harm:
                    return replace(state, step="roll back", outcome="rolled back", why="; ".join(harm))
                if is_over:
                    return replace(state, step="retire", outcome="rolled out", why=_watched(state))
                time.sleep(max(0, min(self.watching.every, state.watch_until - time.time())))

    def _counted(self, state: State) -> State:
        now = traffic.read(self.server, self.model, state.version)
        grown = traffic.since(state.traffic_last, now)
        return replace(state, traffic_last=now, traffic_new=traffic.plus(state.traffic_new, grown))

    def _of_lists(self, holdout: Holdout) -> list[str]:
        """The harm that the store of events shows. While it is down, errors alone are watched."""
        try:
            holdout.start()
            return [*filter(None, [holdout.harm()])]
        except StoreDown as error:
            self.say(f"{self.model}: what lists earn is not known now: {error}")
            return []

    def _roll_back(self, state: State) -> State:
        needed = self._end_watch(state)  # a gateway asks for the new version by its number until then
        # Also where the default is the one before already: a run that was killed may not have written the disk's.
        if self.versions.default() in (state.version, state.before):
            back = Rollout(
                self.server, self.model, state.before, tolerance=None, drain=self.drain, downgrade=True, why="rollback",
                compared=lambda model: needed,
            )  # fmt: skip
            console.run(back)
        return replace(state, step="tell")

    def _retire(self, state: State) -> State:
        """Take out the version before, unless somebody has begun an experiment with it in the meantime."""
        if state.before in (self._end_watch(state) or ()):
            self.say(f"{self.model} {state.before} stays: an experiment with it runs")
        elif state.before in self.versions.registered() and state.before != self.versions.default():
            with locked(self.store):
                self.versions.drain_and_unregister(state.before, self.drain)
        return replace(state, step="tell")

    def _tell(self, state: State) -> State:
        """Say how the run ended: twice where it was killed in between, rather than never."""
        state = replace(state, step="done", ended=time.time())
        try:
            self.alert.ended(state)
        except AutopilotError:
            self.file.write(state)  # a command that does not work must not keep the next run from beginning
            raise
        return state

    def _end_watch(self, state: State) -> Compared | None:
        """Send everybody to the default version; returns the versions that an experiment of somebody else needs.

        While the store of events is down this is done without: gateways send requests for a version that is gone to the
        default one.
        """
        with self._holdout(state.version, state.before) as holdout:
            try:
                holdout.stop()
                return holdout.needed()
            except (StoreDown, ExperimentError) as error:
                self.say(f"{self.model}: the experiment of the watch runs on, make experiment STOP=1 ends it: {error}")
                return None

    def _holdout(self, version: str, before: str) -> AbstractContextManager[Holdout]:
        return closing(Holdout(self.watching.holdout, self.model, version, before))


def _watched(state: State) -> str:
    failed, answered = state.traffic_new.handler
    return f"{answered:,.0f} requests were answered during the watch, {failed:,.0f} of them with an error of ours"
