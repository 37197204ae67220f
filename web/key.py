"""The inference key that TorchServe wants: one that is set, or the one that it draws at each start, in its key file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from .connections import Response


class Key:
    """A key for the header of each request."""

    def __init__(self, token: str = "", path: Path | None = None) -> None:
        """A ``token``; or that of the ``key_file.json`` at ``path``, which may not be there yet."""
        self._token, self._path = token, path
        if path:
            self.read_again()

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that show it."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def read_again(self) -> bool:
        """Read the file, where there is one. Whether the key is another one now."""
        if self._path is None:
            return False
        before = self._token
        try:
            self._token = json.loads(self._path.read_text())["inference"]["key"]
        except (OSError, ValueError, KeyError):
            self._token = ""  # TorchServe is not up; whoever asks it then is told so
        return self._token != before


def is_key_refused(response: Response) -> bool:
    """Whether TorchServe has refused the key (with a 400, not a 401)."""
    return response.status == 400 and b'"InvalidKeyException"' in response.body
