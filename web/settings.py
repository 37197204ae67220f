"""The settings of the gateway, each of which an environment variable can change."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from feedback.database import DEFAULT_URL

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config.properties"  # TorchServe's, where the models' names stand


def loaded_models(config: Path) -> tuple[str, ...]:
    """The models that TorchServe loads: the names in ``load_models=mf=mf.mar,...`` of its configuration."""
    line = re.search(r"^load_models *=(.*)$", config.read_text(), re.MULTILINE)
    names = [pair.split("=")[0].strip().removesuffix(".mar") for pair in line[1].split(",")] if line else []
    if not all(names) or not names:
        raise ValueError(f"{config} names no models: give load_models=mf=mf.mar,... there, or MODELS=mf,...")
    return tuple(names)


@dataclass(frozen=True)
class Settings:
    """Where TorchServe is, which models may be asked, and how much one browser may ask."""

    torchserve_url: str = "http://127.0.0.1:8080"  # the inference API; the management API is never asked
    port: int = 8000  # where the gateway listens
    torchserve_token: str = ""  # the inference key, where TorchServe wants one; browsers never see it
    torchserve_key_file: Path | None = None  # or its key_file.json, which has another key after each of its starts
    models: tuple[str, ...] = field(default_factory=lambda: loaded_models(CONFIG))
    timeout: float = 10.0  # seconds for one answer, all tries together
    fresh: float = 5.0  # seconds that a model card is believed
    max_body: int = 64 * 1024  # bytes of a request
    rate: str = "30/second;900/minute"  # requests to /api of one address
    events_url: str = DEFAULT_URL  # the store of events; or postgresql://...
    events_rate: str = "1000/hour"  # events of one user
    events_used: int = 100  # of a user's latest ratings, in each of their requests; 0 for none
    max_events: int = 500  # events of one request
    max_skew: float = 60.0  # seconds that the clock of whoever sends events may be ahead
    metrics_port: int = 0  # where Prometheus finds the gateway's metrics; 0 for nowhere

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The names of the fields in capitals, MODELS separated by commas.

        PORT_OFFSET moves the ports of TORCHSERVE_URL and PORT where these are not given.
        """
        of = {name: environment[name.upper()] for name in cls.__dataclass_fields__ if environment.get(name.upper())}
        offset = int(environment.get("PORT_OFFSET") or 0)
        of = {"torchserve_url": f"http://127.0.0.1:{8080 + offset}", "port": 8000 + offset} | of
        if "models" in of:
            of["models"] = tuple(name.strip() for name in of["models"].split(","))
        kinds = {"torchserve_key_file": Path, "port": int, "timeout": float, "fresh": float, "max_body": int}
        kinds |= {"events_used": int, "max_events": int, "max_skew": float, "metrics_port": int}
        for name in kinds.keys() & of.keys():
            of[name] = kinds[name](of[name])
        return cls(**of)
