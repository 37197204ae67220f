"""Which version answers whom, while an experiment runs: read again from the store every few seconds."""

from __future__ import annotations

import asyncio
import time

from feedback.experiments import Experiment
from feedback.reader import Reader

EVERY = 5.0  # seconds between two reads: so soon a start or an end takes effect


class Running:
    """The experiments that run. All calls belong to one event loop."""

    def __init__(self, reader: Reader) -> None:
        """Nothing is read before the first request."""
        self._reader = reader
        self._known: dict[str, Experiment] = {}
        self._until = 0.0
        self._reading = asyncio.Lock()

    async def of(self, model: str) -> Experiment | None:
        """The experiment with a model. Where the store does not answer in time, what was known before."""
        if time.monotonic() >= self._until:
            async with self._reading:  # one request reads, and those that came with it wait for it
                if time.monotonic() >= self._until:
                    read = await self._reader.experiments()
                    self._known = self._known if read is None else read
                    self._until = time.monotonic() + EVERY
        return self._known.get(model)
