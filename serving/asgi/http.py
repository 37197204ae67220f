"""Requests and responses of ASGI: bodies up to a limit, forms, JSON."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from .errors import BadRequest, BodyTooLarge, HostError, NoUpgrade

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

URL_ENCODED = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data"
MAX_FIELDS = 1000  # of a form
MAX_PART_HEAD = 4096  # bytes in which a part of a form has its name
RECEIVED = 16  # times the limit: bodies up to this size are received before they are refused
AT_ONCE = 64 * 1024  # bytes that are read between the requests of others

_BOUNDARY = re.compile(rb';\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
_NAME = re.compile(rb'^content-disposition:.*?;\s*name=(?:"([^"\r\n]*)"|([^\s;"]+))', re.IGNORECASE | re.MULTILINE)
_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)


async def beside(function: Callable[..., Any], *arguments: Any, size: int) -> Any:
    """What a function returns: on a thread where it has many bytes to read, so that the event loop goes on."""
    return function(*arguments) if size <= AT_ONCE else await asyncio.to_thread(function, *arguments)


def is_form(content_type: bytes) -> bool:
    """Whether a body of this type is a form."""
    return content_type.partition(b";")[0].strip().lower() in (URL_ENCODED, MULTIPART)


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes | None:
    """The body; None where the client has gone. Raises BodyTooLarge, NoUpgrade, and BadRequest where it is compressed.

    One that has not many more than ``most`` bytes is received, and thrown away: many clients send all before they read
    the answer, and lose it where the connection is closed meanwhile.
    """
    announced = headers.get(b"content-length", b"0")
    has_body = announced != b"0" or b"transfer-encoding" in headers
    if has_body and b"upgrade" in headers and b"upgrade" in headers.get(b"connection", b"").lower():
        # httptools ends a request that asks for another protocol at its headers.
        protocol = headers[b"upgrade"].decode("latin-1")
        raise NoUpgrade(
            f"the header Upgrade is {protocol[:40]!r}, and this server speaks HTTP/1.1 alone: send the request without "
            "that header (in Java: HttpClient.Version.HTTP_1_1)"
        )
    encoding = headers.get(b"content-encoding", b"identity")
    if encoding.lower() != b"identity":
        raise BadRequest(f"the body's encoding is {encoding.decode('latin-1')[:40]!r}: send it as it is")
    size = int(announced) if announced.isdigit() else 0
    if size > most and (size > RECEIVED * most or b"expect" in headers):
        raise too_large(most)
    body, received = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        received += len(message.get("body", b""))
        if received > RECEIVED * most:
            raise too_large(most)
        if max(received, size) <= most:
            body += message.get("body", b"")
        if not message.get("more_body"):
            if received > most:
                raise too_large(most)
            return bytes(body)


def too_large(most: int) -> BodyTooLarge:
    """The refusal of a body."""
    return BodyTooLarge(f"the body has more than {most:,} bytes: send fewer instances at once")


def form_fields(content_type: bytes, body: bytes) -> list[tuple[str, bytes]]:
    """The fields of a form, in order. Raises BadRequest."""
    is_url_encoded = content_type.partition(b";")[0].strip().lower() == URL_ENCODED
    fields = _url_encoded(body) if is_url_encoded else _multipart(content_type, body)
    if len(fields) > MAX_FIELDS:
        raise BadRequest(f"the form has {len(fields)} fields: send at most {MAX_FIELDS}")
    return fields


def _url_encoded(body: bytes) -> list[tuple[str, bytes]]:
    broken = _BROKEN_ESCAPE.search(body)
    if broken:
        text = broken[0].decode(errors="replace")
        raise BadRequest(f"the form has {text!r}, which is no percent escape: write % as %25")
    # What has no "=" is no field: JSON that was sent as a form arrives empty, and is told so.
    pairs = [field.replace(b"+", b" ").partition(b"=") for field in body.split(b"&") if b"=" in field]
    return [(unquote_to_bytes(name).decode("utf-8", "replace"), unquote_to_bytes(value)) for name, _, value in pairs]


def _multipart(content_type: bytes, body: bytes) -> list[tuple[str, bytes]]:
    """In one pass (RFC 7578): the time that Python's own parser takes of hostile bytes grows with their square."""
    boundary = _BOUNDARY.search(content_type)
    between = re.escape(boundary[1] or boundary[2]) if boundary else b""
    lines = list(re.finditer(rb"\r\n--%b(--)?[ \t]*(?=\r\n|\Z)" % between, text := b"\r\n" + body))
    last = next((number for number, line in enumerate(lines) if line[1]), 0)
    if not boundary or not last:
        raise BadRequest("the body is no multipart form with the boundary that its content type names")
    return [_part(text[begin.end() : end.start()]) for begin, end in pairwise(lines[: last + 1])]


def _part(part: bytes) -> tuple[str, bytes]:
    head, _, value = part.partition(b"\r\n\r\n")
    named = _NAME.search(head[:MAX_PART_HEAD])
    if not named:
        raise BadRequest("a part of the form has no name: give each a content-disposition with a name")
    return (named[1] if named[1] is not None else named[2]).decode("utf-8", "replace"), value


async def send_json(send: Send, code: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Answer with a JSON body."""
    await send_text(send, code, body, b"application/json", headers)


async def send_text(
    send: Send, code: int, body: bytes, kind: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Answer with a body of some content type."""
    sent = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": code, "headers": sent})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: HostError) -> None:
    """Answer with an error."""
    await send_json(send, error.code, msgspec.json.encode(error.body()), error.headers)
