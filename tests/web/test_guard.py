"""Security headers and the limit on the rate."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.web.conftest import asking
from web.settings import Settings


def test_too_many_requests_are_refused_and_the_page_is_not(running: Any, stand_in: Any) -> None:
    settings = Settings(rate="5/minute")
    with running(settings, httpx.MockTransport(stand_in)) as address, asking(address) as client:
        codes = [client.get("/api/search/fm?q=film").status_code for _ in range(7)]
        assert codes == [200] * 5 + [429] * 2
        refused = client.get("/api/models")
        assert refused.json()["type"] == "TooManyRequests"
        assert refused.headers["Retry-After"]
        assert client.get("/").status_code == client.get("/static/app.js").status_code == 200


@pytest.mark.parametrize("path", ["/", "/map", "/static/app.js", "/api/models", "/nowhere", "/api/predictions/fm"])
def test_every_answer_has_the_security_headers(gateway: httpx.Client, path: str) -> None:
    headers = gateway.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "server" not in headers


@pytest.mark.parametrize(("path", "body"), [("/api/predictions/fm", {"user_id": 1}), ("/api/visitors", {"name": "A"})])
def test_a_fault_of_the_gateway_is_json_with_the_security_headers(
    gateway: httpx.Client, stand_in: Any, path: str, body: dict[str, Any]
) -> None:
    stand_in.failures.append(RuntimeError("planted"))
    answer = gateway.post(path, json=body, headers={"Connection": "close"})  # uvicorn closes it after a fault
    assert (answer.status_code, answer.json()["type"]) == (500, "InternalError")
    assert "planted" not in answer.text
    assert "Content-Security-Policy" in answer.headers
