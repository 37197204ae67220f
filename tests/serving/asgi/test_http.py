"""Forms: what is read, and what is refused."""

from __future__ import annotations

import pytest
import requests

from serving.asgi.errors import BadRequest
from serving.asgi.http import MAX_FIELDS, URL_ENCODED, form_fields, is_form


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


def test_which_content_types_are_forms() -> None:
    assert is_form(b"Application/X-WWW-Form-Urlencoded; charset=utf-8")
    assert is_form(b"multipart/form-data; boundary=x")
    assert not is_form(b"application/json")
    assert not is_form(b"")
