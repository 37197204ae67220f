"""Connections to a model server: kept, broken, and answers of every form."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tests.web.conftest import PATIENCE
from web.connections import Connections


def asked(answers: list[bytes | None]) -> tuple:
    """What as many questions as there are answers give, and how many connections were made.

    None: the server hangs up; nothing: it does not answer, and nobody waits for it long.
    """
    made: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                answer = answers.pop(0)
                if answer:
                    writer.write(answer)
                if answer is None or b"close" in answer or b"forever" in answer:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def main() -> tuple:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connections, found = Connections(f"http://127.0.0.1:{port}/base"), []
        for wait in [0.2 if answer == b"" else PATIENCE for answer in answers]:
            try:
                async with asyncio.timeout(wait):
                    found.append(await connections.send("POST", "/x", {"A": "b"}))
            except OSError as error:
                found.append(error)
        await connections.close()
        server.close()
        await asyncio.gather(*made)  # both sides of each connection are closed
        return found, len(made)

    return asyncio.run(main())


PLAIN = b"HTTP/1.1 200 OK\r\nX-Model-Version: 1.0\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "answer",
    [
        PLAIN,
        b"HTTP/1.1 200 OK\r\nx-model-version: 1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Model-Version: 1.0\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-Model-Version: 1.0\r\nUntil: forever\r\n\r\nok",
    ],
)
def test_every_form_of_an_answer_is_read(answer: bytes) -> None:
    found, made = asked([answer, answer])
    assert [(one.status, one.headers["x-model-version"], one.body) for one in found] == [(200, "1.0", b"ok")] * 2
    assert made == (2 if b"close" in answer or b"forever" in answer else 1)


@pytest.mark.parametrize(
    "broken", [None, b"HTTP/1.1 200 OK\r\nX: close\r\nContent-Length: 5\r\n\r\nok", b"nonsense close"]
)
def test_an_answer_that_breaks_off_is_an_error_and_spoils_no_other(broken: bytes | None) -> None:
    found, made = asked([PLAIN, broken, PLAIN])
    assert isinstance(found[1], ConnectionError)
    assert found[0] == found[2]
    assert made == 2


def test_the_late_answer_of_a_question_that_was_given_up_is_nobody_elses() -> None:
    found, made = asked([b"", PLAIN])
    assert isinstance(found[0], TimeoutError)
    assert (found[1].body, made) == (b"ok", 2)


def test_no_header_ends_a_line() -> None:
    with pytest.raises(ValueError, match="line break"):
        asyncio.run(Connections("http://127.0.0.1:1").send("GET", "/", {"A": "b\r\nC: d"}))


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://host", "http://"])
def test_a_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="the model server's URL is"):
        Connections(url)
