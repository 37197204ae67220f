"""``python -m web``: start the gateway."""

import argparse
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
    parser.add_argument("--port", type=int, default=settings.port)
    options = parser.parse_args()
    try:
        socket.create_server((options.host, options.port)).close()
    except OSError as error:
        sys.exit(f"error: {error.strerror}; another PORT_OFFSET moves the page to another port")
    print(f"The page is at http://{options.host}:{options.port}, its models at {settings.torchserve_url}", flush=True)
    uvicorn.run(create_app(settings), host=options.host, port=options.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
