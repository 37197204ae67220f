"""A worker by itself: what it tells the supervisor, and when it ends."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
import threading
from types import SimpleNamespace

import pytest

from serving.asgi import worker
from serving.asgi.worker import Control, Server


def test_a_worker_whose_supervisor_ended_while_it_loaded_ends_too() -> None:
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    uvicorn_server = SimpleNamespace(should_exit=False)
    Control(None, None, uvicorn_server).run(theirs)  # type: ignore[arg-type]
    assert uvicorn_server.should_exit


def test_a_worker_tells_of_any_failure() -> None:
    class OfAnArchive(Exception):
        """Cannot be sent to another process."""

    def fail(*_: object) -> None:
        raise OfAnArchive("on purpose")

    ours, theirs = multiprocessing.Pipe()
    control = Control(SimpleNamespace(find=fail), None, SimpleNamespace())  # type: ignore[arg-type]
    threading.Thread(target=control.run, args=(theirs,), daemon=True).start()
    assert ours.recv()[0]
    ours.send(("describe", ("fm", "1.0")))
    good, error = ours.recv()
    assert not good
    assert str(error) == "describe failed in a worker: on purpose"
    ours.close()


def test_a_worker_ends_where_a_batch_hangs(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(worker.os, "_exit", sys.exit)
    hosted = SimpleNamespace(model="fm", version="1.0")
    batches = [SimpleNamespace(hosted=hosted, is_stuck=stuck) for stuck in (False, True)]
    fleet = SimpleNamespace(models={"fm": dict(enumerate(SimpleNamespace(batches=one) for one in batches))})
    with pytest.raises(SystemExit) as ended:
        asyncio.run(worker._end_where_stuck(fleet))  # type: ignore[arg-type]
    assert ended.value.code == 1
    assert "a batch of fm 1.0 hangs" in caplog.text


def test_an_interrupt_of_the_terminal_is_left_to_the_supervisor() -> None:
    server = Server(SimpleNamespace())  # type: ignore[arg-type]
    server.handle_exit(signal.SIGINT, None)
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit
