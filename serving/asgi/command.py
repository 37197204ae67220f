"""The command that serves without TorchServe: ``python -m serving asgi --help``."""

from __future__ import annotations

from dataclasses import dataclass, field

from tyro.conf import OmitArgPrefixes

from ..options import ServerOptions


@dataclass(frozen=True)
class Asgi:
    """Serve the archives of the store in the foreground, without TorchServe; SIGTERM drains it."""

    options: OmitArgPrefixes[ServerOptions] = field(default_factory=ServerOptions)
    host: str | None = None
    """Where the inference API listens, also over gRPC, as in 0.0.0.0 (that of the configuration by default)."""
    port: int | None = None
    """Its port (that of the configuration by default)."""
    grpc_port: int | None = None
    """Its port for gRPC (that of the configuration by default); 0 for no gRPC."""
    workers: int | None = None
    """Processes that answer, each with all versions (default_workers_per_model of the configuration, or 1)."""
    other_versions: int | None = None
    """Versions of each model that are loaded at the start beside its default, the newest ones (that of the
    configuration, or 3); the others are registered when they are asked for."""
    drain: float = 0.0
    """Seconds from SIGTERM to the end, in which health checks fail and requests are still answered."""

    def run(self) -> None:
        """Serve."""
        from urllib.parse import urlsplit

        from ..ports import written
        from .supervisor import run

        server = self.options.server()
        configured = urlsplit(server.inference)
        host, port = self.host or configured.hostname, self.port or configured.port
        server.settings["inference_address"] = f"http://{written(host, port)}"
        if self.host:
            server.settings["grpc_inference_address"] = self.host
        if self.grpc_port is not None:
            server.settings["grpc_inference_port"] = str(self.grpc_port)
        if self.other_versions is not None:
            server.settings["other_versions"] = str(self.other_versions)
        configured_workers = int(server.settings.get("default_workers_per_model", 1))
        run(server, configured_workers if self.workers is None else self.workers, self.drain)
