"""What a worker that cannot load its model says is read before it is killed."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, TextIO

import pytest

from handlers.recommender.hosts.torchserve import output

Pipe = tuple[BinaryIO, TextIO]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Its reading end and its writing end."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as read, os.fdopen(writing, "w", buffering=1) as written:
        yield read, written


@pytest.fixture
def run(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], float]:
    """Prints a line to the pipe in a block, which fails at the word "fail"; returns the seconds that the block took."""

    def printed(line: str) -> float:
        start = time.monotonic()
        with monkeypatch.context() as patch:  # in the test itself: pytest has its own stdout in each phase
            patch.setattr(output.sys, "stdout", pipe[1])
            with output.failure_is_read():
                print(line)
                if line == "fail":
                    raise ValueError("on purpose")
        return time.monotonic() - start

    return printed


def test_an_error_is_raised_when_what_was_printed_has_been_read(pipe, run, caplog) -> None:
    read: list[bytes] = []
    slow = threading.Timer(0.3, lambda: read.append(pipe[0].readline()))
    slow.start()
    with pytest.raises(ValueError, match="on purpose"):
        run("fail")
    slow.join()
    assert read == [b"fail\n"]
    assert "on purpose" in caplog.text  # with its traceback: TorchServe prints its own after this


def test_a_reader_that_does_not_read_is_waited_for_so_long(run, monkeypatch) -> None:
    monkeypatch.setattr(output, "PATIENCE", 0.2)
    start = time.monotonic()
    with pytest.raises(ValueError, match="on purpose"):
        run("fail")
    assert 0.2 <= time.monotonic() - start < 60


def test_nobody_waits_where_nothing_can_be_read(pipe, monkeypatch) -> None:
    assert output.unread(io.StringIO("no file")) == 0
    assert output.unread(pipe[1]) == 0
    pipe[1].write("a line\n")
    assert output.unread(pipe[1]) == 7


def test_without_an_error_nothing_is_said_or_waited_for(run, caplog, monkeypatch) -> None:
    monkeypatch.setattr(output, "PATIENCE", 60)
    assert run("loaded") < 30
    assert not caplog.records
