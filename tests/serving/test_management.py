"""Calls to TorchServe's management API."""

from __future__ import annotations

import pytest
import requests

from serving import management
from serving.asgi.bounds import Bounds
from serving.versions import Versions


@pytest.mark.parametrize(("took", "pause"), [(0.001, 0.25), (0.2, 2.0)])
def test_looking_takes_a_tenth_of_a_thread_of_connections_at_most(
    versions: Versions, took: float, pause: float, monkeypatch
) -> None:
    now, pauses = [0.0], []

    def look(model: str, version: str) -> dict:
        now[0] += took
        busy = len(pauses) % 4 < 3
        return describe("fm") | {
            "workers": [{"status": "LOADING" if busy else "READY", "pid": 1}],
            "jobQueueStatus": {"pendingRequests": int(busy)},
            "startupTimeout": 60,
        }

    describe = versions.management.describe
    versions.management.describe = look
    clock = type("Clock", (), {"monotonic": lambda: now[0], "sleep": pauses.append})
    monkeypatch.setattr(management, "time", clock)
    versions.wait_until_ready("1.0")
    assert pauses == [pytest.approx(pause)] * 3
    pauses.clear()
    versions.drain(["1.0"], seconds=0)
    assert pauses == [pytest.approx(pause)] * 3


def test_each_call_has_the_key_that_the_server_has_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is started again, as it may be during a training, draws other keys."""
    keys, sent = ["first"], []
    calls = management.Management("http://nobody", token=lambda: keys[-1])
    answer = requests.Response()
    answer.status_code, answer._content = 200, b'{"models": []}'

    def send(_session: requests.Session, request: requests.PreparedRequest, **_: object) -> requests.Response:
        sent.append(request.headers.get("Authorization"))
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    for key in ("first", "second", None):
        keys.append(key)
        assert calls.models() == []
    assert sent == ["Bearer first", "Bearer second", None]


def test_a_registration_has_the_time_that_a_load_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: dict[str, float] = {}
    answer = requests.Response()
    answer.status_code, answer._content = 200, b"{}"

    def request(_session: requests.Session, method: str, url: str, timeout: float, **_: object) -> requests.Response:
        waits[method] = timeout
        return answer

    monkeypatch.setattr(requests.Session, "request", request)
    calls = management.Management("http://nobody", timeout=7)
    calls.register("fm-1.1.mar", "fm")
    calls.set_default("fm", "1.1")
    assert waits == {"POST": 600, "PUT": 7}
    assert Bounds().load_timeout < management.LOADS
