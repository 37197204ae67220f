"""Settings of the configuration that this server alone has, and their values where it has none (docs/hosts.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..server import ServerError


class Bounds(NamedTuple):
    """``other_versions``: of each model beside its default, the newest ones, that are loaded at the start.

    ``load_timeout``: seconds that a worker may take to load an archive. ``max_connections``: of HTTP to the inference
    API, at once, for each worker.
    """

    other_versions: int = 3
    load_timeout: int = 300
    max_connections: int = 10_000

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Bounds:
        """Those of a configuration. Raises ServerError."""
        given = {name: settings[name] for name in cls._fields if settings.get(name)}
        for name, value in given.items():
            least = 0 if name == "other_versions" else 1
            if not (value.isascii() and value.isdigit() and int(value) >= least):
                raise ServerError(f"{name} is {value!r} in the configuration: give a whole number of at least {least}")
        return cls(**{name: int(value) for name, value in given.items()})
