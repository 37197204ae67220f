"""The inference key of TorchServe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from tests.web.conftest import ask, asking
from web.settings import Settings


def test_the_token_is_sent_and_never_shown(gateway: httpx.Client, stand_in: Any) -> None:
    answers = [gateway.get("/"), gateway.get("/health"), gateway.get("/api/models"), ask(gateway, {"user_id": 1})]
    assert {one.headers["Authorization"] for one in stand_in.asked} == {"Bearer a-secret"}
    assert not any("a-secret" in f"{one.headers}{one.text}" for one in answers)


def test_a_key_that_torchserve_drew_anew_is_read_again(running: Any, stand_in: Any, tmp_path: Path) -> None:
    key_file = tmp_path / "key_file.json"
    settings = Settings(torchserve_url="http://torchserve.test", torchserve_key_file=key_file)

    def draw(key: str) -> None:
        key_file.write_text(json.dumps({"management": {"key": "m"}, "inference": {"key": key}, "API": {"key": "a"}}))

    def refused() -> httpx.Response:
        return httpx.Response(400, json={"code": 400, "type": "InvalidKeyException", "message": "Token Authentication"})

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("Authorization", "").removeprefix("Bearer "))
        return stand_in(request)

    keys: list[str] = []
    with running(settings, httpx.MockTransport(answer)) as address, asking(address) as client:
        draw("first")  # the gateway may start before TorchServe
        stand_in.failures = [refused()]
        assert ask(client, {"user_id": 1}).status_code == 200
        draw("second")
        stand_in.failures = [refused()]
        assert ask(client, {"user_id": 1}).status_code == 200
        stand_in.failures = [refused()]  # the same key is in the file still
        assert ask(client, {"user_id": 1}).status_code == 502
    assert keys == ["", "first", "first", "second", "second"]
