"""What the gateway can be told, all of it through environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where TorchServe is, which models may be asked, and how much one browser may ask."""

    torchserve_url: str = "http://127.0.0.1:8080"  # the inference API; the management API is never asked
    port: int = 8000  # where the gateway listens
    torchserve_token: str = ""  # the inference key, where TorchServe wants one; browsers never see it
    torchserve_key_file: Path | None = None  # or its key_file.json, which has another key after each of its starts
    models: tuple[str, ...] = ("mf", "fm", "deepfm")
    timeout: float = 10.0  # seconds for one answer, all tries together
    fresh: float = 5.0  # seconds that a model card is believed
    max_body: int = 64 * 1024  # bytes of a request
    rate: str = "30/second;900/minute"  # requests to /api of one address

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """TORCHSERVE_URL, PORT, TORCHSERVE_TOKEN, TORCHSERVE_KEY_FILE, MODELS (separated by commas), TIMEOUT, FRESH,
        MAX_BODY and RATE; PORT_OFFSET moves the ports of the first two where these do not name any.
        """
        of = {name: environment[name.upper()] for name in cls.__dataclass_fields__ if environment.get(name.upper())}
        offset = int(environment.get("PORT_OFFSET") or 0)
        of = {"torchserve_url": f"http://127.0.0.1:{8080 + offset}", "port": 8000 + offset} | of
        if "models" in of:
            of["models"] = tuple(name.strip() for name in of["models"].split(","))
        kinds = {"torchserve_key_file": Path, "port": int, "timeout": float, "fresh": float, "max_body": int}
        for name in kinds.keys() & of.keys():
            of[name] = kinds[name](of[name])
        return cls(**of)
