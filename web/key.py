"""The inference key that TorchServe draws at each start, read from its key file."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import httpx


class KeyFile(httpx.Auth):
    """Sends the inference key of a ``key_file.json``; where it is refused, reads the file again and asks once more."""

    requires_response_body = True

    def __init__(self, path: Path) -> None:
        """Of the file at ``path``, which may not be there yet."""
        self._path = path
        self._key = self._read()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """httpx's protocol: each request that is yielded is sent."""
        sent = self._key
        response = yield self._signed(request)
        if is_key_refused(response):
            self._key = self._read()
            if self._key != sent:
                yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _read(self) -> str:
        try:
            return json.loads(self._path.read_text())["inference"]["key"]
        except (OSError, ValueError, KeyError):
            return ""  # TorchServe is not up; whoever asks it then is told so


def is_key_refused(response: httpx.Response) -> bool:
    """Whether TorchServe has refused the key (with a 400, not a 401)."""
    return response.status_code == 400 and b'"InvalidKeyException"' in response.content
