"""Our application under any ASGI server, without our shortcut: the archive that is unpacked in ``$FOLDER``."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from serving.asgi.app import Inference
from serving.asgi.fleet import Fleet, load

application: list[Inference] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await application[0](scope, receive, send)
        return
    await receive()
    fleet = Fleet(1000, asyncio.get_running_loop())
    fleet.add(os.environ["FOLDER"], load(os.environ["FOLDER"]))
    application.append(Inference(fleet, 1 << 20))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
