"""TorchServe's management API, as far as this project uses it, and its metrics address."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec

from archives.errors import ArchiveRefused
from archives.unpack import unpack

from .errors import BadRequest, HostError, NoSuchModel, NoSuchPath, NoSuchVersion, NotAnswered, WrongMethod
from .http import Receive, Scope, Send, send_error, send_json, send_text
from .metrics import Metrics
from .workers import Workers

logger = logging.getLogger(__name__)

COUNT_EVERY = 5.0  # seconds
TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Management:
    """The versions of all workers: described, put in and taken out. Calls block, and run on threads.

    ``unpacked``: where archives are unpacked, and no other folder's code is loaded. ``metrics_port``: where there are
    the metrics and nothing else, because Prometheus may reach it from other machines.
    """

    def __init__(self, workers: Workers, store: Path, unpacked: Path, metrics_port: int) -> None:
        self.workers = workers
        self.store = store
        self.unpacked = unpacked.resolve()
        self.metrics_port = metrics_port
        self.metrics = Metrics()
        self._counting = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        path = scope["path"].strip("/").split("/")
        try:
            given = parse_qs(scope["query_string"].decode("utf-8", "replace"))
            query = {name: values[-1] for name, values in given.items()}
            if scope["server"][1] != self.metrics_port:
                answer = await asyncio.to_thread(self._act(scope["method"], path, query))
                await send_json(send, 200, msgspec.json.encode(answer))
            elif path == ["metrics"]:
                await send_text(send, 200, await asyncio.to_thread(self._metrics), TEXT)
            else:
                raise NoSuchPath("Requested resource is not found: this is the address of /metrics alone")
        except HostError as error:
            await send_error(send, error)
        except ArchiveRefused as error:
            await send_error(send, BadRequest(str(error)))
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await send_error(send, NotAnswered("the call failed: the server's log says why"))

    def _act(self, method: str, path: list[str], query: dict[str, str]) -> Callable[[], Any]:
        match method, path:
            case "GET", ["ping"]:
                return lambda: {"status": "Healthy"}
            case "GET", ["models"]:
                return self._models
            case "GET", ["models", model]:
                return lambda: self._described(model, None, query)
            case "GET", ["models", model, version]:
                return lambda: self._described(model, version, query)
            case "POST", ["models"]:
                return lambda: self._register(query)
            case "PUT", ["models", model, version, "set-default"]:
                return lambda: self._set_default(model, version)
            case "DELETE", ["models", model, *rest] if len(rest) <= 1:
                return lambda: self._unregister(model, rest[0] if rest else None)
            case _, ["models", *_]:
                raise WrongMethod("Requested method is not allowed, please refer to API document.")
        raise NoSuchPath("Requested resource is not found, please refer to API document.")

    # --- reading

    def _statuses(self) -> list[dict[str, Any]]:
        """Each version as the first worker has it, with the queues of all."""
        first, *others = self.workers.call("status")
        for one in first:
            for other in (other for statuses in others for other in statuses):
                if (other["model"], other["version"]) == (one["model"], one["version"]):
                    one["pending"] += other["pending"]
        return first

    def _models(self) -> dict[str, Any]:
        return {
            "models": [
                {"modelName": one["model"], "modelUrl": one["folder"]} for one in self._statuses() if one["default"]
            ]
        }

    def _described(self, model: str, version: str | None, query: dict[str, str]) -> list[dict[str, Any]]:
        found = []
        for one in self._found(model, version):
            said = self._description(one)
            if query.get("customized") == "true":
                described = self.workers.call("describe", one["model"], one["version"])[0]
                said["customizedMetadata"] = msgspec.Raw(described)
            found.append(said)
        return found

    def _found(self, model: str, version: str | None) -> list[dict[str, Any]]:
        """A version, the default one if None; ``all`` stands for all of them. Raises NoSuchModel, NoSuchVersion."""
        versions = [one for one in self._statuses() if one["model"] == model]
        if not versions:
            raise NoSuchModel(f"Model not found: {model}")
        if version == "all":
            return versions
        found = [one for one in versions if one["version"] == version or (version is None and one["default"])]
        if not found:
            raise NoSuchVersion(f"Model version: {version} does not exist for model: {model}")
        return found

    def _description(self, one: dict[str, Any]) -> dict[str, Any]:
        is_gpu = one["device"] != "cpu"
        workers = [
            {
                "id": str(number),
                "status": "READY" if ready else "UNLOADING",
                "pid": pid,
                "gpu": is_gpu,
                "gpuUsage": "gpuId::0" if is_gpu else "N/A",
            }
            for number, (pid, ready) in enumerate(zip(self.workers.pids(), self.workers.ready(), strict=True))
        ]
        return {
            "modelName": one["model"],
            "modelVersion": one["version"],
            "modelUrl": one["folder"],
            "batchSize": one["batch_size"],
            "maxBatchDelay": 0,
            "responseTimeout": 0,  # seconds that a request may outlive its version: its last requests are waited for
            "startupTimeout": 120,
            "deviceType": "gpu" if is_gpu else "cpu",
            "workers": workers,
            "jobQueueStatus": {"remainingCapacity": one["room"], "pendingRequests": one["pending"]},
        }

    async def count(self) -> None:
        """Take what the workers have counted, again and again: until it is taken it fills their memory."""
        while True:
            await asyncio.sleep(COUNT_EVERY)
            try:
                await asyncio.to_thread(self._count)
            except Exception as error:
                logger.warning("the workers' counts are not there: %s", error)

    def _count(self) -> None:
        with self._counting:
            for taken in self.workers.call("take"):
                self.metrics.add(taken)

    def _metrics(self) -> bytes:
        self._count()
        for number, seconds in enumerate(self.workers.load_seconds):
            self.metrics.worker_loaded(f"W-{number}", seconds)
        return self.metrics.text()

    # --- changing

    def _register(self, query: dict[str, str]) -> dict[str, str]:
        folder, is_new = self._folder(query.get("url", ""))
        try:
            model, version = self.workers.add(str(folder))
        except Exception:
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        return {"status": f'Model "{model}" Version: {version} registered with {len(self.workers.pids())} workers'}

    def _folder(self, url: str) -> tuple[Path, bool]:
        """The folder that ``url`` names, and whether it is new: then the store's archive of that name is in it."""
        named = Path(url)
        if named.is_absolute() and named.resolve().parent == self.unpacked and named.is_dir():
            return named.resolve(), False
        if named.name == url and url.endswith(".mar") and (self.store / url).is_file():
            folder = Path(tempfile.mkdtemp(prefix=f"{named.stem}-api-", dir=self.unpacked))
            try:
                unpack(self.store / url, folder)
            except Exception:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            return folder, True
        raise BadRequest(f"url is {url!r}: give the name of an archive in {self.store}, or a folder in {self.unpacked}")

    def _set_default(self, model: str, version: str) -> dict[str, str]:
        self.workers.set_default(model, version)
        return {"status": f'Default version successfully updated for model "{model}" to "{version}"'}

    def _unregister(self, model: str, version: str | None) -> dict[str, str]:
        for one in self._found(model, version):
            self._count()
            self.workers.remove(model, one["version"], one["folder"])
            shutil.rmtree(one["folder"], ignore_errors=True)
        return {"status": f'Model "{model}" unregistered'}
