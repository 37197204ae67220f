"""Bodies and forms: what is read, and what is refused."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
import requests

from serving.asgi.errors import BadRequest, BodyTooLarge
from serving.asgi.http import AT_ONCE, MAX_FIELDS, URL_ENCODED, beside, form_fields, is_form, read_body


def multipart(*fields: tuple[str, bytes]) -> tuple[bytes, bytes]:
    """The content type and the body of a form, as requests makes it."""
    prepared = requests.Request("POST", "http://x", files=[(name, (None, value)) for name, value in fields]).prepare()
    return prepared.headers["Content-Type"].encode(), prepared.body


def test_a_url_encoded_form() -> None:
    body = b"user_id=11&title=a+b%26%C3%A9&user_id=13&empty=&no_field"
    assert form_fields(URL_ENCODED, body) == [
        ("user_id", b"11"),
        ("title", "a b&é".encode()),
        ("user_id", b"13"),
        ("empty", b""),
    ]
    assert form_fields(URL_ENCODED, b"") == []


@pytest.mark.parametrize("value", [b"11", b"", b"a\r\nb\r\n", b"\x00\xff\xfe", "é".encode(), b"--boundary\r\n"])
def test_a_multipart_form_keeps_its_bytes(value: bytes) -> None:
    assert form_fields(*multipart(("user_id", value), ("movie_id", b"103"))) == [
        ("user_id", value),
        ("movie_id", b"103"),
    ]


@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        (URL_ENCODED, b"user_id=%zz", "'%zz', which is no percent escape: write % as %25"),
        (URL_ENCODED, b"user_id=1%", "'%', which is no percent escape"),
        (URL_ENCODED, b"a=1&" * (MAX_FIELDS + 1), f"has {MAX_FIELDS + 1} fields: send at most {MAX_FIELDS}"),
        (b"multipart/form-data", b"--x\r\n\r\n1\r\n--x--", "no multipart form with the boundary"),
        (b"multipart/form-data; boundary=y", b"--x\r\n\r\n1\r\n--x--", "no multipart form with the boundary"),
        (b"multipart/form-data; boundary=x", b"--x\r\n\r\n1\r\n--x--\r\n", "a part of the form has no name"),
    ],
)
def test_a_broken_form_is_refused(content_type: bytes, body: bytes, says: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        form_fields(content_type, body)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    "part",
    [
        b'Content-Disposition: form-data; name="a"' + b";a" * 500_000,
        b'Content-Disposition: form-data; name="a"; b="' + b";" * 1_000_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(300))
        + b"\r\n" * 400_000,
        b"\r\n--x " * 150_000,
        b'Content-Disposition: form-data; name="a"\r\n\r\n' + b"\r\n--x" + b" " * 1_000_000,
    ],
    ids=["parameters", "quotes", "forms in forms", "boundaries", "spaces"],
)
def test_a_hostile_form_takes_no_longer_than_another(part: bytes) -> None:
    start = time.process_time()
    with suppress(BadRequest):
        form_fields(b"multipart/form-data; boundary=x", b"--x\r\n" + part + b"\r\n--x--\r\n")
    assert time.process_time() - start < 10  # where it were longer with each byte, minutes


def test_which_content_types_are_forms() -> None:
    assert is_form(b"Application/X-WWW-Form-Urlencoded; charset=utf-8")
    assert is_form(b"multipart/form-data; boundary=x")
    assert not is_form(b"application/json")
    assert not is_form(b"")


def test_many_bytes_are_read_on_a_thread_of_their_own() -> None:
    async def threads() -> list[bool]:
        return [
            await beside(threading.get_ident, size=size) == threading.get_ident() for size in (AT_ONCE, AT_ONCE + 1)
        ]

    assert asyncio.run(threads()) == [True, False]


def received(*pieces: bytes, **headers: bytes) -> tuple[bytes | None, int]:
    """The body of a request of these pieces, of which 10 bytes are allowed, and how many pieces were not taken."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    try:
        return asyncio.run(read_body(receive, named, 10)), len(messages)
    except BodyTooLarge:
        return None, len(messages)


def test_a_body_that_is_too_large_is_received_before_it_is_refused_unless_it_is_enormous() -> None:
    assert received(b"01234", b"56789") == (b"0123456789", 0)
    assert received(*[b"0123456"] * 3) == (None, 0)
    assert received(*[b"0123456"] * 3, content_length=b"21") == (None, 0)
    assert received(*[b"0123456"] * 100) == (None, 77), "of a length that is not known"
    assert received(*[b"0123456"] * 100, content_length=b"700") == (None, 100)
    assert received(*[b"0123456"] * 3, content_length=b"21", expect=b"100-continue") == (None, 3)
