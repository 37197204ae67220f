"""The inference API as one ASGI application, for any server or platform that hosts those (deploy/examples)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from ..server import Server
from . import fleet as fleets
from .app import Inference
from .bounds import Bounds
from .fleet import Fleet
from .http import Receive, Scope, Send
from .supervisor import unpack_store


class Application:
    """Answers from the archives of a store, which it loads at its start (the lifespan of ASGI).

    Each process loads all versions itself; their arrays are mapped, and so are shared. It can be pickled until then.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._inference: Inference | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The start and the end of the process, or one HTTP request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._inference(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        with TemporaryDirectory(prefix="archives-") as folder:
            try:
                self._inference = self._load(Path(folder))
            except Exception as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                raise
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    def _load(self, folder: Path) -> Inference:
        settings = Server(self._store).settings
        state = unpack_store(self._store, folder, Bounds.of(settings).other_versions)
        hosted = fleets.load_all(*state)
        fleet = Fleet.of(int(settings["job_queue_size"]), asyncio.get_running_loop(), hosted, state.defaults)
        return Inference(fleet, int(settings["max_request_size"]))
