"""Failures of TorchServe: those that pass, and those that last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.web.conftest import ask


def test_a_passing_failure_is_not_seen(gateway: httpx.Client, stand_in: Any) -> None:
    stand_in.failures = [httpx.Response(503), httpx.RemoteProtocolError("closed")]
    assert ask(gateway, {"user_id": 1}).status_code == 200
    assert len(stand_in.asked) == 3


@pytest.mark.parametrize(
    ("failure", "tries", "status", "kind"),
    [
        (lambda: httpx.ConnectError("refused"), 3, 503, "ServerDown"),
        (lambda: httpx.Response(503, json={"type": "ServiceUnavailableException"}), 3, 503, "ServerBusy"),
        (lambda: httpx.Response(507, json={"type": "InternalServerException"}), 3, 503, "ServerBusy"),
        (lambda: httpx.Response(400, json={"type": "InvalidKeyException"}), 1, 502, "ServerFault"),
        (lambda: httpx.ReadTimeout("slow"), 1, 504, "ServerSlow"),
        (lambda: httpx.Response(500, text="Traceback: /home/someone"), 3, 502, "ServerFault"),
        (lambda: httpx.Response(404, json={"type": "ModelNotFoundException"}), 1, 404, "ModelNotRegistered"),
        (lambda: httpx.Response(404, json={"type": "UnknownId", "message": "no 5"}), 1, 404, "UnknownId"),
    ],
)
def test_a_lasting_failure_has_a_name(
    gateway: httpx.Client, stand_in: Any, failure: Callable[[], Any], tries: int, status: int, kind: str
) -> None:
    stand_in.failures = [failure() for _ in range(5)]
    answer = ask(gateway, {"user_id": 1})
    assert answer.status_code == status
    assert answer.json()["type"] == kind
    assert "Traceback" not in answer.text
    assert len(stand_in.asked) == tries
