"""Replaces TorchServe's loop in a worker: it reads frames through one buffer and answers a batch with one write.

TorchServe's worker looks ``retrieve_msg`` up in its main module for every frame, so the handler's code can put a reader
of its own there. This reader answers batches of predictions itself, and returns only for other frames.
"""

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import ts
from ts.protocol import otf_message_handler
from ts.service import PREDICTION_METRIC

from ...api.answers import Answer
from . import frames

TESTED_VERSION = "0.12.0"  # of TorchServe, whose frames these are

Handle = Callable[[Sequence[frames.FrameRequest]], Sequence[Answer]]

logger = logging.getLogger(__name__)


def take_over(handle: Handle, version: str, metrics: Any, main: ModuleType | None = None) -> bool:
    """Answer this worker's batches by ``handle`` from now on; whether that was possible, said in one log line.

    ``metrics`` is TorchServe's metric cache, ``main`` the worker's main module. Nothing changes in a worker of another
    version, in one that is not started by TorchServe, and where the server decodes bodies before the handler.
    """
    main = main or sys.modules["__main__"]
    reason = _obstacle(main)
    if reason:
        logger.warning("the fast path is off, TorchServe's own reader stays: %s", reason)
        return False
    main.retrieve_msg = FastPath(handle, version, metrics)
    logger.info("the fast path answers this worker's batches")
    return True


def _obstacle(main: ModuleType) -> str | None:
    if ts.__version__ != TESTED_VERSION:
        return f"this is TorchServe {ts.__version__}, its frames were tested with {TESTED_VERSION}"
    if getattr(main, "retrieve_msg", None) is not otf_message_handler.retrieve_msg:
        return "this process is not TorchServe's worker"
    if os.environ.get("TS_DECODE_INPUT_REQUEST", "true") == "true":
        return "the server decodes bodies; set decode_input_request=false in its configuration"
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return "this is not the first of several ranks"
    if getattr(main, "BENCHMARK", False):
        return "TorchServe's profiling is on (TS_BENCHMARK)"
    return None


class FastPath:
    """Stands in for TorchServe's ``retrieve_msg``."""

    def __init__(self, handle: Handle, version: str, metrics: Any) -> None:
        self._handle = handle
        self._version = version
        self._metrics = metrics
        self._reported = 0.0
        self._reader: frames.FrameReader | None = None

    def __call__(self, connection: socket.socket) -> tuple[bytes, Any]:
        """Answer batches until something else arrives; that is returned as TorchServe's reader would."""
        if self._reader is None or self._reader.connection is not connection:
            self._reader = frames.FrameReader(connection)
        reader = self._reader
        while reader.peek_command() == frames.PREDICT:
            requests, size = reader.peek_batch()
            started = time.perf_counter()
            try:
                answers = self._handle(requests)
            except Exception:
                logger.exception("the fast path failed; TorchServe's own answers this batch")
                break
            reader.skip(size)
            connection.sendall(frames.response([request.id for request in requests], answers, self._version))
            self._report(started)
        return otf_message_handler.retrieve_msg(reader)

    def _report(self, started: float) -> None:
        """TorchServe's own gauge of the last batch's milliseconds, at most once a second instead of once a batch."""
        now = time.perf_counter()
        if now - self._reported >= 1.0:
            self._reported = now
            self._metrics.add_time(PREDICTION_METRIC, round((now - started) * 1000, 2))
