"""``python -m web``: start the gateway."""

import argparse
import errno
import os
import socket
import sys

import uvicorn

from .app import create_app
from .settings import Settings


def main() -> None:
    """Serve the page until interrupted."""
    settings = Settings.from_environment()
    parser = argparse.ArgumentParser(prog="python -m web", description=f"The page, beside {settings.torchserve_url}.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen; 0.0.0.0 for every interface")
    parser.add_argument("--port", type=int, help=f"{settings.port} by default; PORT and PORT_OFFSET change that")
    options = parser.parse_args()
    host, port = options.host, settings.port if options.port is None else options.port
    six = ":" in host
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if six else socket.AF_INET).close()
    except OSError as error:
        movable = error.errno == errno.EADDRINUSE and options.port is None and not os.environ.get("PORT")
        sys.exit(f"error: {error.strerror}" + "; another PORT_OFFSET moves the page to another port" * movable)
    where = f"[{host}]:{port}" if six else f"{host}:{port}"
    print(f"The page is at http://{where}, its models at {settings.torchserve_url}", flush=True)
    uvicorn.run(create_app(settings), host=host, port=port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
