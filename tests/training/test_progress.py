"""Long stages show how far they are, short ones nothing; on a terminal as a bar, else as lines."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import TextIO

import pytest

from tests.conftest import train_small
from training import progress
from training.data import generate
from training.progress import counted, stage

Shown = Callable[[], str]


@pytest.fixture
def lines(monkeypatch, caplog) -> Shown:
    """What was said so far where stderr is no terminal, a line at the end of each."""
    monkeypatch.setattr(progress, "QUIET", 0.01)
    caplog.set_level("INFO", progress.logger.name)
    return lambda: "".join(f"{record.getMessage()}\n" for record in caplog.records)


@pytest.fixture(params=[(0, 0), (24, 100)], ids=["size unknown", "100 columns"])
def terminal(request, monkeypatch) -> Iterator[tuple[TextIO, Shown]]:
    """A terminal to write to, and what was shown on it so far."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *request.param, 0, 0))
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                shown.extend(os.read(ours, 1000))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setattr(progress, "QUIET", 0.01)
    monkeypatch.setattr(progress, "BAR_EVERY", 0.01)
    with os.fdopen(theirs, "w") as screen:
        yield screen, lambda: shown.decode(errors="ignore")
    reader.join()
    os.close(ours)


def until(shown: Shown, pattern: str) -> None:
    """Work that takes until this is shown."""
    deadline = time.monotonic() + 30
    while not re.search(pattern, shown()):
        assert time.monotonic() < deadline, f"{pattern} is not in {shown()!r}"
        time.sleep(0.01)


def test_a_short_stage_says_nothing(lines, monkeypatch) -> None:
    monkeypatch.setattr(progress, "QUIET", 20)
    with stage("reading"):
        assert list(counted(range(3), "lines", 3, "line")) == [0, 1, 2]
    assert lines() == ""


def test_a_long_stage_says_that_it_is_under_way_and_what_it_took(lines) -> None:
    with stage("reading"):
        until(lines, r"reading: \d+ s\n")
    assert re.fullmatch(r"reading: \d+ s\nreading took \d+ s\n", lines())


def test_lines_come_now_and_then_with_rate_and_time_left(lines, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.05)
    for count in counted(range(20), "sampling", 20, "sample"):
        if count in (0, 5):
            until(lines, rf"sampling: {count} of 20, ")
    first, *_, last = lines().splitlines()
    assert first == "sampling: 0 of 20, ?sample/s, ? left"
    assert last.startswith("sampling took ")
    assert re.search(r"sampling: 5 of 20, +[0-9.]+sample/s, 00:\d\d left\n", lines())


def test_between_two_lines_is_half_a_minute(lines) -> None:
    for _ in counted(range(50), "sampling", 50, "sample"):
        time.sleep(0.01)
    assert len(lines().splitlines()) == 2


def test_the_rate_leaves_out_what_the_first_unit_waited_for() -> None:
    sampling = progress.Stage("sampling", 10, "sample")
    sampling.started -= 1000
    assert sampling.rate() is None
    sampling.advance()
    sampling.first -= 100
    sampling.advance()
    sampling.advance()
    assert sampling.rate() == pytest.approx(0.02, rel=0.1)


def test_of_stages_within_stages_the_outermost_is_counted(lines, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.01)
    with stage("choosing"), stage("ridges", 3, "ridge") as advance:
        advance()
        for _ in counted(range(1), "lists", 1, "block"):
            until(lines, r"choosing, ridges: 1 of 3, ")
    *_, last = lines().splitlines()
    assert last.startswith("choosing took ")
    assert "lists" not in lines()


def test_a_bar_shows_on_a_terminal_and_is_gone_at_the_end(terminal) -> None:
    screen, shown = terminal
    with redirect_stderr(screen), stage("fitting"):
        for count in counted(range(10), "sampling", 10, "sample"):
            if count == 5:
                until(shown, r"fitting, sampling: +50%\|.+\| 5/10 \[.+sample/s\]")
    until(shown, r"\r +\r\Z")


def test_one_call_that_takes_long_is_shown_while_it_runs(terminal) -> None:
    screen, shown = terminal
    with redirect_stderr(screen), stage("exporting"):
        until(shown, "exporting: 0 s")


def test_a_stage_that_fails_or_is_left_is_over() -> None:
    with pytest.raises(ZeroDivisionError), stage("reading"):
        raise ZeroDivisionError
    for _ in counted(range(3), "fitting", 3, "epoch"):
        break
    assert progress._running == []


def test_every_part_of_a_training_is_a_stage(tmp_path: Path, monkeypatch) -> None:
    names = set()

    class Noted(progress.Stage):
        def __init__(self, name: str, *others: object) -> None:
            names.add(name)
            super().__init__(name, *others)

    monkeypatch.setattr(progress, "Stage", Noted)
    train_small("deepfm", generate(users=30, movies=20, ratings=300).log, tmp_path, sweeps=2, burn_in=1)
    assert names == {
        "checking the log",
        "splitting the log",
        "turning ids into rows",
        "hashing the log",
        "choosing the list ranker",
        "ridges, dampings, half-lives",
        "factors",
        "validating",
        "fitting",
        "fitting the drift",
        "refitting",
        "Gibbs sampling",
        "gradient descent",
        "fitting the list ranker",
        "singular vectors",
        "predicting the test rows",
        "evaluating",
        "lists",
        "measuring by number of ratings",
        "hashing the test rows",
        "exporting",
    }


def test_watchers_are_told_what_runs(monkeypatch) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(progress, "watchers", [told.append])
    with stage("outer"):
        assert list(counted([0], "inner", 1, "step")) == [0]
    assert told == [["outer"], ["outer", "inner"], ["outer"], []]
