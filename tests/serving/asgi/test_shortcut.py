"""Predictions by the shortcut and by ASGI are the same, whatever the connection does."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

BODIES = [
    b'{"user_id": 11, "movie_id": 103}',
    b'{"user_id": 11, "k": 3}',
    b'{"user_id": 11, "k": "ten"}',
    b'{"movie_id": 1000000000}',
    b"",
    b"\xff",
]


def request(body: bytes, *headers: bytes, path: bytes = b"/predictions/fm") -> bytes:
    head = [b"POST %b HTTP/1.1" % path, b"Host: x", b"Content-Type: application/json", *headers]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def chunked(body: bytes) -> bytes:
    """A request that ASGI answers: its length is not known when its headers are there."""
    head = b"POST /predictions/fm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return head + pieces + b"0\r\n\r\n"


def parsed(response: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    head, _, body = response.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    return status, dict(line.lower().split(b": ", 1) for line in lines), body


@pytest.mark.parametrize("body", BODIES)
def test_the_shortcut_answers_as_asgi_does(raw: Callable[..., bytes], body: bytes) -> None:
    assert parsed(raw(request(body, b"Connection: close"))) == parsed(raw(chunked(body)))


def test_requests_that_come_together_are_answered_in_order(raw: Callable[..., bytes]) -> None:
    alone = [parsed(raw(request(body, b"Connection: close")))[2] for body in BODIES[:4]]
    together = raw(b"".join(map(request, BODIES[:3])) + request(BODIES[3], b"Connection: close"))
    found = [part.partition(b"\r\n\r\n")[2] for part in together.split(b"HTTP/1.1 ")[1:]]
    assert found == alone


def test_a_request_in_pieces_is_one_request(raw: Callable[..., bytes]) -> None:
    whole = request(BODIES[0], b"Connection: close")
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    assert parsed(raw(*pieces)) == parsed(raw(whole))


def test_an_old_client_is_answered_and_its_connection_closed(raw: Callable[..., bytes]) -> None:
    old = request(BODIES[0]).replace(b"HTTP/1.1", b"HTTP/1.0")
    status, headers, body = parsed(raw(old))
    assert status.endswith(b"200 OK")
    assert headers[b"connection"] == b"close"
    assert json.loads(body)["user_id"] == 11


def test_a_client_that_asks_whether_to_send_its_body_is_told_to(raw: Callable[..., bytes]) -> None:
    response = raw(request(BODIES[0], b"Expect: 100-continue", b"Connection: close"))
    assert response.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("bytes_sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (request(b"", b"Connection: close", path=b"/predictions/none"), b"404"),
        (request(b"", b"Connection: close", path=b"/predictions/fm/9.9"), b"404"),
        (request(b"", b"Connection: close", path=b"/elsewhere"), b"404"),
        (b"POST /predictions/fm HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (request(BODIES[0], b"Connection: close", b"Content-Length: 3"), b"400"),
    ],
)
def test_what_cannot_be_answered_has_a_status(raw: Callable[..., bytes], bytes_sent: bytes, status: bytes) -> None:
    assert raw(bytes_sent).split(b" ", 2)[1] == status
    assert parsed(raw(request(BODIES[0], b"Connection: close")))[0] == b"HTTP/1.1 200 OK"


def test_a_client_that_would_rather_speak_http_2_is_told_how_to_ask(raw: Callable[..., bytes]) -> None:
    """As Java's client does by default."""
    upgrade = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    status, _, body = parsed(raw(request(BODIES[0], *upgrade)))
    assert status == b"HTTP/1.1 400 Bad Request"
    assert "the header Upgrade is 'h2c'" in json.loads(body)["message"]
