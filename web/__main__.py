"""``python -m web``: start the gateway. ``python -m web forget USER``: delete a person from its store."""

import argparse
import asyncio
import errno
import os
import socket
import sys

import uvicorn

from feedback.database import URLError, without_password
from feedback.store import StoreDown
from serving.asgi.guard import KEEP_ALIVE, Guarded

from .app import create_app
from .forget import forget
from .settings import Settings
from .torchserve import TorchServe


def main() -> None:
    """Serve the page until interrupted, or forget a user."""
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(prog="python -m web", description=f"The page, beside {settings.torchserve_url}.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; 0.0.0.0 for every interface")
    parser.add_argument("--port", type=int, help=f"{settings.port} by default; PORT and PORT_OFFSET change that")
    commands = parser.add_subparsers(metavar="forget USER", dest="command")
    of_forget = commands.add_parser("forget", help="delete a user's events, and the lists that they were shown")
    of_forget.add_argument("user", help="the user's id")
    options = parser.parse_args()
    try:
        if options.command == "forget":
            asyncio.run(_forget(options.user, settings))
        else:
            _serve(settings, options)
    except URLError as error:
        sys.exit(f"error: {error}")
    except StoreDown as error:
        sys.exit(f"error: {without_password(settings.events_url)} cannot be used: {error}")


async def _forget(user: str, settings: Settings) -> None:
    torchserve = TorchServe(settings)
    async for line in forget(user, settings, torchserve):
        print(line, flush=True)
    await torchserve.close()


def _serve(settings: Settings, options: argparse.Namespace) -> None:
    host, port = options.host, settings.port if options.port is None else options.port
    six = ":" in host
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if six else socket.AF_INET).close()
    except OSError as error:
        movable = error.errno == errno.EADDRINUSE and options.port is None and not os.environ.get("PORT")
        sys.exit(f"error: {error.strerror}" + "; another PORT_OFFSET moves the page to another port" * movable)
    where = f"[{host}]:{port}" if six else f"{host}:{port}"
    print(f"The page is at http://{where}, its models at {settings.torchserve_url}", flush=True)
    app = create_app(settings)
    print(f"Events are stored in {without_password(settings.events_url)}", flush=True)
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=Guarded,
        timeout_keep_alive=KEEP_ALIVE,
        loop="uvloop",
        ws="none",
        log_level="warning",
        server_header=False,
    )


if __name__ == "__main__":
    main()
