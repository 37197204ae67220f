"""One run, in steps that can each be run again: killed at any moment, it goes on when it is run again."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from functools import partial

import requests
from msgspec.structs import replace
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from archives.contents import file_name
from archives.errors import ArchiveRefused, StoreError
from archives.store import locked
from client.recommender_client import RecommenderError
from feedback.experiments import ExperimentError
from feedback.store import StoreDown
from serving import console
from serving.experiments import Compared
from serving.gate import Tolerance
from serving.management import ManagementError
from serving.retrain import Training, next_version
from serving.rollout import Rollout, RolloutRefused
from serving.server import Server
from serving.versions import Versions

from . import traffic
from .alert import Alert
from .errors import AutopilotError
from .holdout import Holdout, Measure
from .state import State, StateFile, Step

PATIENCE = 300.0  # seconds in which the server may be restarted, and somebody else's rollout may hold the model store
PAUSE = 5.0  # seconds between two tries
PASSING = (StoreError, StoreDown, ManagementError, requests.RequestException)  # errors that may be over in that time
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

    ``drain``: seconds that the last requests of a version may take (None: its responseTimeout).
    """

    server: Server
    model: str
    training: Training = field(default_factory=Training)
    tolerance: Tolerance = field(default_factory=Tolerance)
    watching: Watching = field(default_factory=Watching)
    alert: Alert = field(default_factory=Alert)
    drain: float | None = None
    say: Callable[[str], None] = print

    def __post_init__(self) -> None:
        """Nothing is called yet."""
        self.store = self.server.store
        self.versions = Versions(self.server, self.model)
        self.file = StateFile(self.store, self.model)
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
        state = State(model=self.model, started=time.time(), version="", before="")
        try:
            with self.file.locked() as self.lock:
                state = self._cut_short() or self._written(self._patiently("begin", self._begin))
                while state.step != "done":
                    state = self._written(self._patiently(state.step, partial(self._do, state.step)))
        except Exception as error:
            self.alert.failed(state, str(error))
            raise
        return state

    def _do(self, step: Step) -> State:
        return self.steps[step](self.file.read())  # where it is done again, what it wrote before the error counts

    def _written(self, state: State) -> State:
        return self._patiently("writing its state", partial(self.file.write, state))  # without the step once more

    def _patiently(self, what: str, work: Callable[[], State]) -> State:
        """What ``work`` returns. It is done again and again for a while where its error may be over soon."""
        again = Retrying(
            retry=retry_if_exception_type(PASSING), stop=stop_after_delay(PATIENCE), wait=wait_fixed(PAUSE),
            before_sleep=lambda call: self._say(f"{what} is tried again: {call.outcome.exception()}"), reraise=True,
        )  # fmt: skip
        return again(work)

    def _say(self, what: str) -> None:
        self.say(f"{self.model}: {what}")

    def _cut_short(self) -> State | None:
        """The state of a run that did not come to its end."""
        state = self.file.read()
        if state is None or state.step == "done":
            return None
        self._say(f"the run before, for {state.version}, was cut short; it goes on at: {state.step}")
        return state

    def _begin(self) -> State:
        before = self.versions.default()
        if before is None:
            raise AutopilotError(
                f"no version of {self.model} is served: make archive serve MODEL={self.model} puts the first one there"
            )
        version = next_version(self.store, self.model, self.versions.registered())
        with self._holdout(version, before) as holdout:
            holdout.check()
        return State(model=self.model, started=time.time(), version=version, before=before)

    def _train(self, state: State) -> State:
        # The archive is moved into place when it is whole. Training that was killed is done again.
        if not (self.store / file_name(self.model, state.version)).exists():
            self.training.make(self.store, self.model, state.version, held=(self.lock,))
        return replace(state, step="roll out")

    def _roll_out(self, state: State) -> State:
        default = self._default()
        if default != state.version:
            answered = traffic.read(self.server, self.model, default)
            state = self.file.write(replace(state, before=default, traffic_before=answered))
        # The version before stays registered: it answers the users that keep it, and it is there if it is needed again.
        rollout = Rollout(
            self.server, self.model, state.version, tolerance=self.tolerance, keep=True, drain=self.drain,
            why="autopilot",
        )  # fmt: skip
        try:
            console.run(rollout)
        except NOT_ROLLED_OUT as error:
            if self._default() == state.version:
                if isinstance(error, ArchiveRefused):  # a run that was killed after the switch
                    return replace(state, step="roll back", outcome="rolled back", why=str(error))
                raise  # the rollout is nearly done
            return replace(state, step="tell", outcome="refused", why=str(error))
        return replace(state, step="watch", traffic_last=None, watch_until=self._end_of_watch())

    def _end_of_watch(self) -> float:
        return time.time() + 60 * self.watching.watch

    def _default(self) -> str:
        """The version that answers. Raises ManagementError where the server is down, or has just been started."""
        default = self.versions.default()
        if default is None:
            raise ManagementError(f"{self.model} is served no more: make serve starts the server with it")
        return default

    def _watch(self, state: State) -> State:
        heard = time.monotonic()
        with self._holdout(state.version, state.before) as holdout:
            while True:
                # A clock that was set back makes no watch longer.
                state = replace(state, watch_until=min(state.watch_until, self._end_of_watch()))
                # Read first: after the end of the watch there is one more look, also where a run was killed for a day.
                is_over = time.time() >= state.watch_until
                harm = []
                try:
                    default = self._default()
                    if default != state.version:
                        why = f"{default} was made the default by somebody else during the watch"
                        return replace(state, step="retire", outcome="replaced", why=why)
                    state = self.file.write(self._counted(state))
                    harm += traffic.harm(state.traffic_before, state.traffic_new, self.watching.errors)
                    heard = time.monotonic()
                except PASSING as error:
                    if time.monotonic() - heard > PATIENCE:
                        raise
                    is_over = False
                    self._say(f"how {state.version} does is not known now: {error}")
                harm += self._of_lists(holdout)
                if harm:
                    return replace(state, step="roll back", outcome="rolled back", why="; ".join(harm))
                if is_over:
                    return replace(state, step="retire", outcome="rolled out", why=_watched(state))
                left = state.watch_until - time.time()
                time.sleep(min(self.watching.every, left) if left > 0 else self.watching.every)

    def _counted(self, state: State) -> State:
        now = traffic.read(self.server, self.model, state.version)
        grown = traffic.since(now if state.traffic_last is None else state.traffic_last, now)
        return replace(state, traffic_last=now, traffic_new=traffic.plus(state.traffic_new, grown))

    def _of_lists(self, holdout: Holdout) -> list[str]:
        """The harm that the store of events shows. While it is down, errors alone are watched."""
        try:
            holdout.start()
            return [*filter(None, [holdout.harm()])]
        except (StoreDown, ExperimentError) as error:  # somebody may begin an experiment at the same moment
            self._say(f"what lists earn is not known now: {error}")
            return []

    def _roll_back(self, state: State) -> State:
        needed = self._end_watch(state)  # a gateway asks for the new version by its number until then
        # Also where the default is the one before already: a run that was killed may not have written the disk's.
        if self._default() not in (state.version, state.before):
            return replace(state, step="tell")
        back = Rollout(
            self.server, self.model, state.before, tolerance=None, drain=self.drain, downgrade=True, why="rollback",
            compared=lambda model: needed,
        )  # fmt: skip
        try:
            console.run(back)
        except ArchiveRefused as error:  # somebody has deleted or changed it
            if state.before not in self.versions.registered():  # nothing that a later run could do either
                why = (
                    f"{state.why}. {state.version} goes on answering, because {state.before} cannot: {error}. "
                    f"Put that archive back and run make rollback MODEL={self.model}, or choose another version "
                    f"(make rollout MODEL={self.model} VERSION=... GATE=--downgrade)"
                )
                return replace(state, step="tell", outcome="not rolled back", why=why)
            self.versions.management.set_default(self.model, state.before)
            why = f"{state.why}. {state.before} answers, but after a restart {state.version} does: {error}"
            return replace(state, step="tell", why=why)
        return replace(state, step="tell")

    def _retire(self, state: State) -> State:
        """Take out the version before, unless somebody has begun an experiment with it in the meantime."""
        if state.before in (self._end_watch(state) or ()):
            self._say(f"{state.before} stays: an experiment with it runs")
        elif state.before in self.versions.registered() and state.before != self._default():
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
                self._say(f"the experiment of the watch runs on, make experiment STOP=1 ends it: {error}")
                return None

    def _holdout(self, version: str, before: str) -> AbstractContextManager[Holdout]:
        return closing(Holdout(self.watching.holdout, self.model, version, before))


def _watched(state: State) -> str:
    failed, answered = state.traffic_new.handler
    return f"{answered:,.0f} requests were answered during the watch, {failed:,.0f} of them with an error of ours"
