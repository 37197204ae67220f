"""The fast path in the place of TorchServe's reader: when it is taken, and what it does with each frame."""

from __future__ import annotations

import logging
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import ts
from ts.protocol import otf_message_handler

from handlers.recommender.api.answers import Answer
from handlers.recommender.hosts.torchserve import worker

from .test_frames import LOAD, Pieces

BATCH = (Path(__file__).parent / "frames" / "batch.bin").read_bytes()


class Connection(Pieces):
    """A connection that keeps what is written to it."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.written: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.written.append(data)


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The main module of a TorchServe worker."""
    monkeypatch.setenv("TS_DECODE_INPUT_REQUEST", "false")
    module = ModuleType("worker_main")
    module.retrieve_msg = otf_message_handler.retrieve_msg
    return module


@pytest.fixture
def metrics() -> SimpleNamespace:
    lines: list[tuple[str, float]] = []
    return SimpleNamespace(lines=lines, add_time=lambda name, value: lines.append((name, value)))


def echo(requests: Any) -> list[Answer]:
    return [Answer(200, "", request.id) for request in requests]


def test_it_takes_the_readers_place(main: ModuleType, metrics: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert worker.take_over(echo, "1.0", metrics, main)
    assert isinstance(main.retrieve_msg, worker.FastPath)
    assert [record.message for record in caplog.records] == ["the fast path answers this worker's batches"]


@pytest.mark.parametrize("case", ["version", "decoded", "rank", "profiled", "no worker"])
def test_it_leaves_things_alone_and_says_why(
    case: str, main: ModuleType, metrics: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if case == "version":
        monkeypatch.setattr(ts, "__version__", "0.13.0")
    elif case == "decoded":
        monkeypatch.delenv("TS_DECODE_INPUT_REQUEST")
    elif case == "rank":
        monkeypatch.setenv("LOCAL_RANK", "1")
    elif case == "profiled":
        main.BENCHMARK = True
    else:
        del main.retrieve_msg
    before = getattr(main, "retrieve_msg", None)
    assert not worker.take_over(echo, "1.0", metrics, main)
    assert getattr(main, "retrieve_msg", None) is before
    (record,) = caplog.records
    reasons = {
        "version": "0.13.0",
        "decoded": "decode_input_request=false",
        "rank": "ranks",
        "profiled": "TS_BENCHMARK",
        "no worker": "not TorchServe's worker",
    }
    assert reasons[case] in record.message


def test_batches_are_answered_until_the_frontend_goes(metrics: Any) -> None:
    connection = Connection(BATCH + BATCH[:11], BATCH[11:])
    with pytest.raises(SystemExit) as ended:
        worker.FastPath(echo, "1.0", metrics)(connection)
    assert ended.value.code == 0
    assert len(connection.written) == 2, "one write a batch"
    assert connection.written[0] == connection.written[1]
    assert connection.written[0].count(b"application/json") > 2


def test_what_is_no_batch_goes_to_torchserve(metrics: Any) -> None:
    connection = Connection(BATCH, LOAD)
    assert worker.FastPath(echo, "1.0", metrics)(connection) == otf_message_handler.retrieve_msg(Pieces(LOAD))
    assert len(connection.written) == 1


def test_a_batch_that_fails_goes_to_torchserve(main: ModuleType, metrics: Any) -> None:
    def fail(_: Any) -> list[Answer]:
        raise MemoryError

    connection = Connection(BATCH)
    assert worker.FastPath(fail, "1.0", metrics)(connection) == otf_message_handler.retrieve_msg(Pieces(BATCH))
    assert connection.written == []


def test_the_gauge_of_a_batch_is_reported_once_a_second(metrics: Any) -> None:
    with pytest.raises(SystemExit):
        worker.FastPath(echo, "1.0", metrics)(Connection(*[BATCH] * 50))
    assert [name for name, _ in metrics.lines] == ["PredictionTime"]
