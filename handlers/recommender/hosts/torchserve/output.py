"""What a worker prints: TorchServe reads it from pipes and writes it into its log."""

import fcntl
import logging
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PATIENCE = 10.0  # seconds: TorchServe reads at once, unless the machine has no time for it
PAUSE = 0.01

logger = logging.getLogger(__name__)


@contextmanager
def failure_is_read() -> Iterator[None]:
    """Log an error of the block, and raise it again when TorchServe has read what this worker printed.

    TorchServe kills a worker that cannot load its model. It closes the pipes then, and what it has not read is lost.
    """
    try:
        yield
    except Exception:
        logger.exception("this worker cannot load its model")
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and any(map(unread, (sys.stdout, sys.stderr))):
            time.sleep(PAUSE)
        raise


def unread(stream: TextIO) -> int:
    """How many bytes a pipe holds that nobody has read yet; 0 for what is not a pipe."""
    try:
        stream.flush()
        answer = fcntl.ioctl(stream.fileno(), termios.FIONREAD, struct.pack("i", 0))
    except OSError:  # closed by its reader, or a stream without a file
        return 0
    return struct.unpack("i", answer)[0]
