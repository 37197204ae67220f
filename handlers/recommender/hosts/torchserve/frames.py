"""TorchServe 0.12's frames between its frontend and a worker, read from memory and written in one piece.

A batch of predictions is ``I`` and then its requests: an id, headers (name, value), parameters (name, content type,
value). Everything has its length before it, four bytes, big endian; a length of -1 ends a list. TorchServe's own reader
(``ts/protocol/otf_message_handler.py``) asks the socket for one field at a time, a dozen system calls a request.
"""

import logging
import socket
import struct
import sys
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from ...api.answers import Answer
from ...api.decode import Body
from ...api.duplicates import Repeated
from ..forms import body_of

PREDICT = b"I"
END = -1

# What one read asks for: a batch of 64 pairs is 25 KB, and from 128 KB on malloc would map fresh pages each time.
READ_SIZE = 65_536

_packed = struct.Struct("!i").pack
_length = struct.Struct("!i").unpack_from
_END = _packed(END)


class FrameRequest(Struct, gc=False):
    """One request of a batch. ``is_describe``: TorchServe's describe call, which has a header and no parameters."""

    id: bytes
    body: Body
    is_describe: bool


class FrameReader:
    """Reads a worker's socket through one buffer."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = bytearray()

    def recv(self, size: int) -> bytes:
        """Up to ``size`` bytes, as a socket gives them: what TorchServe's own reader needs to read from here."""
        if not self._buffer:
            return self.connection.recv(size)
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def peek_command(self) -> bytes:
        """The first byte of the next frame, which stays where it is."""
        while not self._buffer:
            self._fill()
        return bytes(self._buffer[:1])

    def peek_batch(self) -> tuple[list[FrameRequest], int]:
        """The requests of the next frame, a batch of predictions, and its size: what ``skip`` then takes away."""
        requests: list[FrameRequest] = []
        offset = len(PREDICT)
        while True:
            try:
                request, offset = _request(self._buffer, offset)
            except struct.error:  # a length lies beyond what has arrived; the requests before it are kept
                self._fill()
                continue
            if request is None:
                return requests, offset
            requests.append(request)

    def skip(self, size: int) -> None:
        """Take ``size`` bytes off the front."""
        del self._buffer[:size]

    def _fill(self) -> None:
        packet = self.connection.recv(READ_SIZE)
        if not packet:
            logging.info("Frontend disconnected.")
            sys.exit(0)
        self._buffer += packet


def _request(buffer: bytearray, offset: int) -> tuple[FrameRequest | None, int]:
    """The request at ``offset``, None at the end of the batch, and where the next one starts.

    Raises struct.error where the buffer ends before the request does: a length follows each field, so if a field is
    incomplete, reading the next length raises it. A negative length counts as zero, as in TorchServe's reader.
    """
    (size,) = _length(buffer, offset)
    offset += 4
    if size == END:
        return None, offset
    end = offset + size if size > 0 else offset
    identifier = buffer[offset:end]
    # The requests of a client have the same headers, so most blocks of headers have been read before.
    offset = buffer.find(_END, end) + 4
    is_describe = _known_headers(bytes(buffer[end:offset]))
    if is_describe is None:
        is_describe, offset = _headers(buffer, end)
    elif buffer.startswith(_JSON_BODY, offset):
        start = offset + len(_JSON_BODY) + 4
        end = start + _length(buffer, start - 4)[0]
        if end >= start and buffer.startswith(_END, end):  # whole, and the only parameter: what most requests are
            return FrameRequest(identifier, buffer[start:end], False), end + 4
    slot: dict[str, bytes | Repeated] = {}
    while True:
        (size,) = _length(buffer, offset)
        offset += 4
        if size == END:
            return FrameRequest(identifier, body_of(slot), is_describe and not slot), offset
        end = offset + size if size > 0 else offset
        name = buffer[offset:end]
        (size,) = _length(buffer, end)
        offset = end + 4 + size if size > 0 else end + 4
        (size,) = _length(buffer, offset)
        offset += 4
        end = offset + size if size > 0 else offset
        value = buffer[offset:end]
        offset = end
        _length(buffer, offset)  # there, so the value is whole
        text = name.decode()
        if text in slot:  # TorchServe's own reader keeps the last of them without an error
            earlier = slot[text]
            value = Repeated(earlier.first if isinstance(earlier, Repeated) else earlier, value)
        slot[text] = value


@lru_cache(maxsize=256)
def _known_headers(block: bytes) -> bool | None:
    """Whether these headers ask for a description; None where ``block`` is no list of headers, the whole of it."""
    try:
        is_describe, end = _headers(block, 0)
    except struct.error:
        return None
    return is_describe if end == len(block) else None


def _headers(buffer: bytes | bytearray, offset: int) -> tuple[bool, int]:
    """Whether the headers at ``offset`` ask for a description (the last such header counts), and where they end."""
    is_describe = False
    while True:
        (size,) = _length(buffer, offset)
        offset += 4
        if size == END:
            return is_describe, offset
        end = offset + size if size > 0 else offset
        is_the_header = buffer[offset:end] == b"describe"
        (size,) = _length(buffer, end)
        offset = end + 4
        end = offset + size if size > 0 else offset
        if is_the_header:
            is_describe = buffer[offset:end] == b"True"
        offset = end


def response(ids: Iterable[bytes], answers: Iterable[Answer], version: str) -> bytes:
    """The frame that answers a batch."""
    parts = [_START]
    for identifier, answer in zip(ids, answers, strict=True):
        body = answer.body
        head = _head(answer.code, answer.phrase, version)
        parts += (_packed(len(identifier)), identifier, head, _packed(len(body)), body)
    parts.append(_END)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _head(code: int, phrase: str, version: str) -> bytes:
    """What stands between an answer's id and its body."""
    kind = "application/json"
    headers = {"content-type": kind, "X-Model-Version": version}
    pairs = b"".join(_text(name) + _text(value) for name, value in headers.items())
    return _text(kind) + _packed(code) + _text(phrase) + _packed(len(headers)) + pairs


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _packed(len(encoded)) + encoded


_START = _packed(200) + _text("Prediction success")
_JSON_BODY = _text("body") + _text("application/json")
