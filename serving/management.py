"""TorchServe's management API: models, versions and workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import requests

LOADS = 600.0  # seconds of a registration, at least: our own server answers when the version is loaded
PAUSE = 0.25  # seconds between two calls, at least
Found = TypeVar("Found")


class ManagementError(RuntimeError):
    """TorchServe refused a call, or cannot be reached; the message says which call and why."""


class CallRefused(ManagementError):
    """TorchServe answered a call with an error: it has not done what was asked."""


def poll(describe: Callable[[], Found]) -> Iterator[Found]:
    """Call ``describe`` again and again, and yield each result; a pause is ten times as long as the call before it.

    On a GPU, TorchServe runs ``nvidia-smi`` once a worker for each description, in one of the few threads that read and
    write all connections. With these pauses it has that thread for at most a tenth of the time.
    """
    while True:
        start = time.monotonic()
        found = describe()
        took = time.monotonic() - start
        yield found
        time.sleep(max(PAUSE, 10 * took))


class Management:
    """Calls to the management API at ``address``.

    ``token`` gives the key of each call, None for none: a server that was started again has other keys.
    """

    def __init__(self, address: str, timeout: float = 120.0, token: Callable[[], str | None] = lambda: None) -> None:
        self.address = address
        self.timeout = timeout
        self.token = token
        self.session = requests.Session()

    def models(self) -> list[str]:
        """The names of all registered models."""
        return sorted(model["modelName"] for model in self._call("GET", "/models", params={"limit": 1000})["models"])

    def versions(self, model: str) -> list[dict[str, Any]]:
        """TorchServe's description of each version of a model: version, workers, queue, batch size."""
        return self._call("GET", f"/models/{model}/all")

    def describe(self, model: str, version: str | None = None) -> dict[str, Any]:
        """TorchServe's description of a version (the default one if None)."""
        return self._call("GET", f"/models/{model}" + (f"/{version}" if version else ""))[0]

    def about(self, model: str, version: str) -> dict[str, Any]:
        """The description that a version's archive gives of itself, by one of its workers, which must be ready."""
        path = f"/models/{model}/{version}"
        return self._call("GET", path, params={"customized": "true"})[0]["customizedMetadata"]

    def register(self, url: str, model: str) -> bool:
        """Register a version; ``url`` is the name of an archive in the model store, or the folder of an unpacked one.

        Returns False where it is registered already. Its workers start after the answer (serving/versions.py waits).
        Raises CallRefused where it is not registered, and another ManagementError where the answer is lost: it may be.
        """
        # synchronous=true would wait for the workers in one of the threads that read and write all connections.
        arguments = {"url": url, "model_name": model, "initial_workers": 1, "synchronous": "false"}
        response = self._request("POST", "/models", timeout=max(self.timeout, LOADS), params=arguments)
        if response.status_code == 409:
            return False
        self._checked(response)
        return True

    def set_default(self, model: str, version: str) -> None:
        """Make a version the one that answers where a request names none."""
        self._call("PUT", f"/models/{model}/{version}/set-default")

    def unregister(self, model: str, version: str) -> None:
        """Take a version out of service."""
        self._call("DELETE", f"/models/{model}/{version}")

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        return self._checked(self._request(method, path, **arguments)).json()

    def _request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        token = self.token()
        arguments.setdefault("timeout", self.timeout)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            return self.session.request(method, self.address + path, headers=headers, **arguments)
        except requests.RequestException as error:
            raise ManagementError(f"{method} {self.address}{path}: {error}; is TorchServe up (make serve)?") from error

    @staticmethod
    def _checked(response: requests.Response) -> requests.Response:
        if not response.ok:
            try:
                reason = response.json()["message"]
            except (ValueError, KeyError):
                reason = response.text[:200]
            raise CallRefused(f"{response.request.method} {response.url}: {response.status_code}, {reason}")
        return response
