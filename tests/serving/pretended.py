"""TorchServe's management API without TorchServe: versions are registered, and their workers are ready, at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from archives.contents import MANIFEST
from serving.management import Management


class Pretended(Management):
    """Serves ``default`` of ``model``, which came from the store; every version is registered from a folder."""

    def __init__(self, model: str, default: str) -> None:
        super().__init__("http://nobody")
        self.model, self.of_default = model, default
        self.urls = {default: f"{model}.mar"}

    def models(self) -> list[str]:
        return [self.model]

    def versions(self, model: str) -> list[dict[str, Any]]:
        return [self.describe(model, version) for version in self.urls]

    def describe(self, model: str, version: str | None = None) -> dict[str, Any]:
        version = version or self.of_default
        return {
            "modelVersion": version,
            "modelUrl": self.urls[version],
            "workers": [{"status": "READY", "pid": 1}],
            "jobQueueStatus": {"pendingRequests": 0},
            "startupTimeout": 1,
            "responseTimeout": 1,
        }

    def register(self, url: str, model: str) -> bool:
        version = json.loads((Path(url) / MANIFEST).read_text())["model"]["modelVersion"]
        new = version not in self.urls
        self.urls.setdefault(version, url)
        return new

    def set_default(self, model: str, version: str) -> None:
        self.of_default = version

    def unregister(self, model: str, version: str) -> None:
        del self.urls[version]
