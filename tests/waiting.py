"""Waiting for what happens in another process, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Until the condition holds. Raises AssertionError where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
