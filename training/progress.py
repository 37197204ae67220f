"""Progress of long stages on stderr: a bar on a terminal, else a line now and then. A short stage shows nothing."""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

QUIET = 2.0  # seconds that may pass before anything is shown
BAR_EVERY = 0.5
LINE_EVERY = 30.0

logger = logging.getLogger(__name__)
Each = TypeVar("Each")


class Stage:
    """A piece of work, and how much of it is done: ``done`` of ``total`` units, where there are units to count."""

    def __init__(self, name: str, total: int | None, unit: str) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self.started = self.first = time.monotonic()

    def advance(self) -> None:
        """Count one unit more."""
        self.done += 1
        if self.done == 1:
            self.first = time.monotonic()

    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.started

    def rate(self) -> float | None:
        """Units a second. The first unit is left out, as its time may include preparation."""
        if self.done > 1:
            return (self.done - 1) / (time.monotonic() - self.first)
        return self.done / self.seconds() or None


_running: list[Stage] = []  # the outermost first; one thread trains
watchers: list[Callable[[list[str]], None]] = []  # told what runs, the outermost first, when a stage begins or ends


@contextmanager
def stage(name: str, total: int | None = None, unit: str = "step") -> Iterator[Callable[[], None]]:
    """Show how far the block, or the function that this decorates, is; ``name`` says what it does.

    What it gives is to be called after each of ``total`` units. Within stages, the outermost one with units is counted.
    """
    mine = Stage(name, total, unit)
    _running.append(mine)
    _tell()
    over = threading.Event()
    # A thread of its own, as one call of LAPACK's may take minutes in which nothing else here runs.
    watch = threading.Thread(target=_watch, args=(mine, over), daemon=True) if len(_running) == 1 else None
    if watch:
        watch.start()
    try:
        yield mine.advance
    finally:
        _running.remove(mine)
        _tell()
        if watch:
            over.set()
            watch.join()


def _tell() -> None:
    for watcher in watchers:
        watcher([each.name for each in _running])


def counted(units: Iterable[Each], name: str, total: int, unit: str) -> Iterator[Each]:
    """``units``, as a stage that has ``total`` of them."""
    with stage(name, total, unit) as advance:
        for unit_of_work in units:
            yield unit_of_work
            advance()


def _watch(outermost: Stage, over: threading.Event) -> None:
    if over.wait(QUIET):
        return
    kind, every = (_Bar, BAR_EVERY) if sys.stderr.isatty() else (_Lines, LINE_EVERY)
    shown = kind(outermost)
    while not over.is_set():
        running = _running.copy()
        position = next((number for number, each in enumerate(running) if each.total), len(running) - 1)
        if running:
            shown.show(", ".join(each.name for each in running[: position + 1]), running[position])
        over.wait(every)
    shown.close()


class _Bar:
    """A bar that is gone when the stage is over."""

    def __init__(self, _: Stage) -> None:
        # tqdm shows nothing on a terminal that does not know its size; this takes it to be 80 by 24.
        columns, lines = shutil.get_terminal_size()
        self.columns = columns - 1
        self.bar = tqdm(bar_format="{desc}", ncols=self.columns, nrows=lines, leave=False)

    def show(self, name: str, current: Stage) -> None:
        self.bar.set_description_str(_text(name, current, columns=self.columns))

    def close(self) -> None:
        self.bar.close()


class _Lines:
    """A line when it begins to show, one at the end, and a few between."""

    def __init__(self, outermost: Stage) -> None:
        self.outermost = outermost

    def show(self, name: str, current: Stage) -> None:
        logger.info(_text(name, current, "{desc}: {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left"))

    def close(self) -> None:
        logger.info("%s took %.0f s", self.outermost.name, self.outermost.seconds())


def _text(name: str, current: Stage, layout: str | None = None, columns: int | None = None) -> str:
    if not current.total:
        return f"{name}: {current.seconds():.0f} s"
    so_far = current.done, current.total, current.seconds()
    described = {"prefix": name, "unit": current.unit, "rate": current.rate(), "bar_format": layout}
    return tqdm.format_meter(*so_far, ncols=columns, **described)
